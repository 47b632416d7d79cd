"""How sure the fit is: covariance of teeth, surfaces, centres and widths.

The Laplace approximation of the posterior is the inverse of the last Gauss-Newton
matrix. A photo set cannot know where a jaw lies in space or how large it is, so
everything here is relative: of each jaw the similarity motion that best explains
a perturbation of its tooth centres is taken out first. The scale's own
uncertainty is reported apart (:mod:`teethscape.parametric.scale`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.arch import Arch
from teethscape.parametric.rotation import FloatArray, skew
from teethscape.parametric.system import NormalEquations


@dataclass(frozen=True)
class JawPosterior:
    """Relative uncertainty of the present teeth of one jaw.

    Attributes:
        teeth: indices into ``prior.fdi``.
        columns: (m,) unknowns of these teeth in the long vector.
        covariance: (m, m) of these unknowns.
        to_similarity: (7, m) best similarity motion of the centres per unknown.
        pivot: (3,) point about which the similarity turns and grows, mm.
    """

    teeth: tuple[int, ...]
    columns: NDArray[np.intp]
    covariance: FloatArray
    to_similarity: FloatArray
    pivot: FloatArray

    def relative(self, points: FloatArray, jacobian: FloatArray) -> FloatArray:
        """Derivative (n, 3, m) of points with the similarity motion taken out."""
        return jacobian - _similarity_basis(points - self.pivot) @ self.to_similarity

    def covariance_of(self, rows: FloatArray) -> FloatArray:
        """Covariance (n, n) of quantities with derivatives (n, m)."""
        return rows @ self.covariance @ rows.T

    def variance_of(self, rows: FloatArray) -> FloatArray:
        """Variances (n,) of quantities with derivatives (n, m)."""
        return np.einsum("nm,nm->n", rows @ self.covariance, rows)


def _similarity_basis(points: FloatArray) -> FloatArray:
    """(n, 3, 7): what a small translation, rotation and growth does to points."""
    out = np.zeros((len(points), 3, 7))
    out[:, :, :3] = np.eye(3)
    out[:, :, 3:6] = -skew(points)
    out[:, :, 6] = points
    return out


def centre_jacobian(arch: Arch, index: int) -> FloatArray:
    """Derivative (3, 7 + K) of a crown's mean vertex to the tooth's unknowns."""
    return arch.vertex_jacobian(index).mean(axis=0)


def posterior_covariance(system: NormalEquations, inflation: float) -> FloatArray:
    """Inverse of the Gauss-Newton matrix, inflated by a factor on standard deviations."""
    size = system.layout.size
    return np.linalg.inv(system.hessian + 1e-9 * np.eye(size)) * inflation**2


def jaw_posterior(
    arch: Arch, system: NormalEquations, covariance: FloatArray, teeth: Sequence[int]
) -> JawPosterior:
    """Relative posterior of some teeth of one jaw."""
    size = system.layout.tooth_size
    columns = np.concatenate([system.layout.tooth(i) for i in teeth])
    centres = np.array([arch.vertices(i).mean(axis=0) for i in teeth])
    pivot = centres.mean(axis=0)
    basis = _similarity_basis(centres - pivot).reshape(-1, 7)
    moves = np.zeros((len(teeth), 3, len(columns)))
    for k, index in enumerate(teeth):
        moves[k, :, k * size : (k + 1) * size] = centre_jacobian(arch, index)
    to_similarity = np.linalg.lstsq(basis, moves.reshape(-1, len(columns)), rcond=None)[0]
    block = covariance[np.ix_(columns, columns)]
    return JawPosterior(tuple(teeth), columns, block, to_similarity, pivot)


def embed(posterior: JawPosterior, index: int, jacobian: FloatArray) -> FloatArray:
    """A tooth's own derivative (n, 3, 7 + K) among all unknowns of its jaw, (n, 3, m)."""
    size = jacobian.shape[2]
    out = np.zeros((*jacobian.shape[:2], len(posterior.columns)))
    start = posterior.teeth.index(index) * size
    out[:, :, start : start + size] = jacobian
    return out


def centre_covariance(arch: Arch, posterior: JawPosterior, index: int) -> FloatArray:
    """(3, 3) covariance of a tooth's centre within its jaw, jaw axes, mm^2."""
    centre = arch.vertices(index).mean(axis=0)[None]
    rows = posterior.relative(centre, embed(posterior, index, centre_jacobian(arch, index)[None]))[0]
    return posterior.covariance_of(rows)


def surface_sigma(arch: Arch, posterior: JawPosterior, index: int, normals: FloatArray) -> FloatArray:
    """(V,) standard deviation along the normals (jaw axes), mm, cut-off modes included."""
    vertices = arch.vertices(index)
    rows = posterior.relative(vertices, embed(posterior, index, arch.vertex_jacobian(index)))
    across = np.einsum("vi,vim->vm", normals, rows)
    return np.sqrt(posterior.variance_of(across) + _cut_off_variance(arch, index, normals))


def _cut_off_variance(arch: Arch, index: int, normals: FloatArray) -> FloatArray:
    """Variance along the normals of the modes that the fit does not move, mm^2."""
    rest = arch.prior.shape(arch.prior.fdi[index]).modes[arch.state.modes :]
    if not len(rest):
        return np.zeros(len(normals))
    local = normals @ arch.prior.axes[index]
    return (np.einsum("kvx,vx->kv", rest, local) ** 2).sum(axis=0)
