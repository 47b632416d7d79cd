"""Absolute size: five photos do not show it, known lengths do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.lengths import KnownLength
from teethscape.parametric.arch import Arch
from teethscape.parametric.posterior import JawPosterior, embed
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray

#: Error of a length measured in the mouth or on a cast with a caliper, mm.
CALIPER_SIGMA_MM = 0.1


@dataclass(frozen=True)
class Length:
    """A length of the fitted model.

    Attributes:
        mm: the length as fitted.
        gradient: (m,) derivative to the unknowns of its jaw, similarity taken out
            but for growth, so that it holds relative errors only.
        posterior: the jaw it lies in.
    """

    mm: float
    gradient: FloatArray
    posterior: JawPosterior

    @property
    def sigma_mm(self) -> float:
        """Standard deviation without that of the common scale."""
        return float(np.sqrt(self.posterior.variance_of(self.gradient[None])[0]))


def mesiodistal_ends(arch: Arch, index: int) -> tuple[int, int]:
    """Vertices farthest distally and mesially along the tooth's own axis, cap left out."""
    along = np.where(arch.prior.shape(arch.prior.fdi[index]).cap, np.nan, arch.local_vertices(index)[:, 0])
    return int(np.nanargmin(along)), int(np.nanargmax(along))


def mesial_axis(arch: Arch, index: int) -> FloatArray:
    """(3,) the posed tooth's mesial direction in its jaw."""
    ends = arch.posed(index, np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    axis = ends[1] - ends[0]
    return axis / np.linalg.norm(axis)


def tooth_width(arch: Arch, posterior: JawPosterior, index: int) -> Length:
    """Mesiodistal width as defined in ``dental.lengths``."""
    ends = np.array(mesiodistal_ends(arch, index), dtype=np.intp)
    axis = mesial_axis(arch, index)
    return _length(arch, posterior, (index, index), (ends[:1], ends[1:]), axis)


def arch_width(arch: Arch, posterior: JawPosterior, pair: tuple[int, int]) -> Length:
    """Distance between the tips of two teeth of a jaw."""
    tips = tuple(np.array([np.argmax(arch.local_vertices(i)[:, 2])]) for i in pair)
    points = [arch.vertices(i)[t][0] for i, t in zip(pair, tips, strict=True)]
    axis = points[1] - points[0]
    return _length(arch, posterior, pair, (tips[0], tips[1]), axis / np.linalg.norm(axis))


def _length(
    arch: Arch,
    posterior: JawPosterior,
    pair: tuple[int, int],
    vertices: tuple[NDArray[np.intp], NDArray[np.intp]],
    axis: FloatArray,
) -> Length:
    """Extent along an axis between one vertex each of two teeth (or of one)."""
    points, rows = [], []
    for index, vertex in zip(pair, vertices, strict=True):
        point = arch.vertices(index)[vertex]
        points.append(point[0])
        full = embed(posterior, index, arch.vertex_jacobian(index, vertex))
        rows.append(posterior.relative(point, full)[0])
    return Length(float(axis @ (points[1] - points[0])), axis @ (rows[1] - rows[0]), posterior)


def prior_scale_sigma(prior: ToothPrior) -> float:
    """Standard deviation of the mean log size over the population."""
    return float(np.sqrt(prior.log_size_cov.mean()))


@dataclass(frozen=True)
class ScaleEstimate:
    """Factor by which the fit must grow, and the relative error that remains."""

    factor: float
    relative_sigma: float


def estimate_scale(
    known: Sequence[KnownLength], lengths: Sequence[Length], prior_sigma: float
) -> ScaleEstimate:
    """Combine measured lengths with the population's spread of sizes.

    Each measured length gives the logarithm of a ratio; its error holds the
    caliper's and the fit's own relative error, which neighbouring teeth share.
    """
    if not known:
        return ScaleEstimate(1.0, prior_sigma)
    ratio = np.log([k.mm / length.mm for k, length in zip(known, lengths, strict=True)])
    covariance = np.diag([(CALIPER_SIGMA_MM / k.mm) ** 2 for k in known])
    for a, first in enumerate(lengths):
        for b, second in enumerate(lengths):
            if first.posterior is second.posterior:
                shared = first.gradient @ first.posterior.covariance @ second.gradient
                covariance[a, b] += shared / (first.mm * second.mm)
    precision = np.linalg.inv(covariance)
    total = precision.sum() + prior_sigma**-2
    return ScaleEstimate(float(np.exp((precision @ ratio).sum() / total)), float(total**-0.5))
