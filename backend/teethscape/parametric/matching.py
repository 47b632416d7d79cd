"""Outline residuals: model rims against labelled outlines, both ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import Camera
from teethscape.parametric.observations import Observation, match_key, trees_of
from teethscape.parametric.rims import Rim
from teethscape.parametric.rotation import FloatArray
from teethscape.parametric.system import NormalEquations


@dataclass(frozen=True)
class OutlineNoise:
    """How far outlines are believed.

    Attributes:
        sigma_px: standard deviation of an outline residual at working size. It is
            far above the drawing error of a pixel because errors are correlated
            along the outline over about 20 px.
        cutoff_px: scale of the Geman-McClure weight; annealed while fitting.
        tangential: weight of the residual along the outline.
        gum_factor: how much less the neck's edge is believed.
        gum_offset_mm: the drawn gum line lies outside the crown's neck by this much.
    """

    sigma_px: float = 8.0
    cutoff_px: float = 3.0
    tangential: float = 0.25
    gum_factor: float = 1.0
    gum_offset_mm: float = 0.0


@dataclass(frozen=True)
class Pairs:
    """Matched points of one view: rows of the rim and of the labelled outline."""

    rim: NDArray[np.intp]
    label: NDArray[np.intp]


def match(rim: Rim, observation: Observation) -> Pairs:
    """Nearest neighbours per tooth in position and normal, from both sides."""
    rows_rim, rows_label = [], []
    rim_trees = trees_of(rim.contour)
    label_keys = match_key(observation.contour.position, observation.contour.normal)
    rim_keys = match_key(rim.contour.position, rim.contour.normal)
    for tooth, (label_tree, label_rows) in observation.trees.items():
        if tooth not in rim_trees:
            continue
        rim_tree, rim_rows = rim_trees[tooth]
        rows_rim.append(rim_rows)
        rows_label.append(label_rows[label_tree.query(rim_keys[rim_rows])[1]])
        rows_rim.append(rim_rows[rim_tree.query(label_keys[label_rows])[1]])
        rows_label.append(label_rows)
    if not rows_rim:
        return Pairs(np.zeros(0, np.intp), np.zeros(0, np.intp))
    return Pairs(np.concatenate(rows_rim), np.concatenate(rows_label))


@dataclass(frozen=True)
class PairResiduals:
    """Residual vectors in px and their weights.

    Attributes:
        tooth: (n,) index of the tooth.
        offset: (n, 2) model minus label, px.
        normal: (n, 2) outward normal of the label.
        weight: (n,) robust weight, 0 to 1.
    """

    tooth: NDArray[np.int32]
    offset: FloatArray
    normal: FloatArray
    weight: FloatArray

    def only(self, rows: NDArray[np.intp]) -> PairResiduals:
        """The chosen pairs."""
        return PairResiduals(self.tooth[rows], self.offset[rows], self.normal[rows], self.weight[rows])


def residuals(
    rim: Rim, observation: Observation, pairs: Pairs, noise: OutlineNoise, px_per_mm: float
) -> PairResiduals:
    """Distances of matched points, with Geman-McClure and normal-agreement weights."""
    model, label = rim.contour, observation.contour
    normal = label.normal[pairs.label]
    gum = rim.gum[pairs.rim]
    target = label.position[pairs.label] - (gum * noise.gum_offset_mm * px_per_mm)[:, None] * normal
    offset = model.position[pairs.rim] - target
    along = (offset * normal).sum(axis=1)
    agree = np.maximum((normal * model.normal[pairs.rim]).sum(axis=1), 0.0)
    distance = np.linalg.norm(offset, axis=1)
    weight = agree / (1 + (np.maximum(distance, np.abs(along)) / noise.cutoff_px) ** 2) ** 2
    weight = np.where(gum, weight / noise.gum_factor**2, weight)
    return PairResiduals(model.tooth[pairs.rim], offset, normal, weight)


@dataclass(frozen=True)
class Shot:
    """One photo in the system: its place among the cameras, its labels, its camera."""

    slot: int
    observation: Observation
    camera: Camera

    @property
    def px_per_mm(self) -> float:
        """Pixels per mm at the distance of the teeth."""
        return self.camera.focal / float(np.linalg.norm(self.camera.translation))


def add_outlines(system: NormalEquations, arch: Arch, shot: Shot, rim: Rim, noise: OutlineNoise) -> float:
    """Add all outline residuals of a view; returns the weighted mean |residual| in px."""
    pairs = match(rim, shot.observation)
    found = residuals(rim, shot.observation, pairs, noise, shot.px_per_mm)
    for tooth in np.unique(found.tooth):
        rows = np.flatnonzero(found.tooth == tooth)
        columns, jacobian = _tooth_jacobian(system, arch, shot, rim, pairs.rim[rows])
        _add_projected(system, columns, jacobian, found.only(rows), noise)
    along = np.abs((found.offset * found.normal).sum(axis=1))
    return float((along * found.weight).sum() / max(found.weight.sum(), 1e-9))


def _tooth_jacobian(
    system: NormalEquations, arch: Arch, shot: Shot, rim: Rim, rows: NDArray[np.intp]
) -> tuple[NDArray[np.intp], FloatArray]:
    """Unknowns that move the pixels of some rim points of one tooth, and (n, 2, m)."""
    index = int(rim.contour.tooth[rows[0]])
    corners, weights = rim.corners[rows], rim.weights[rows]
    shape = arch.prior.shape(arch.prior.fdi[index])
    local = np.einsum("nc,ncx->nx", weights, arch.local_vertices(index)[corners])
    modes = np.einsum("nc,kncx->knx", weights, shape.modes[: arch.state.modes][:, corners])
    placed = arch.posed(index, local)
    to_tooth = np.concatenate([arch.pose_jacobian(index, local), arch.shape_jacobian(index, modes)], axis=2)
    columns, blocks = [system.layout.tooth(index)], [to_tooth]
    if arch.is_lower(index) and not shot.observation.view.is_occlusal:
        to_point, to_bite = arch.bite_jacobian(placed)
        placed = arch.bitten(placed)
        blocks = [to_point @ to_tooth, to_bite]
        columns.append(system.layout.bite())
    _, to_world, to_camera = shot.camera.jacobians(placed)
    columns.append(system.layout.camera(shot.slot))
    return np.concatenate(columns), np.concatenate([*(to_world @ b for b in blocks), to_camera], axis=2)


def _add_projected(
    system: NormalEquations,
    columns: NDArray[np.intp],
    jacobian: FloatArray,
    found: PairResiduals,
    noise: OutlineNoise,
) -> None:
    """Residuals across and along the outline."""
    tangent = np.stack([-found.normal[:, 1], found.normal[:, 0]], axis=1)
    root = np.sqrt(found.weight) / noise.sigma_px
    for direction, factor in ((found.normal, 1.0), (tangent, noise.tangential)):
        scale = root * factor
        rows = np.einsum("ni,nik->nk", direction, jacobian) * scale[:, None]
        system.add_rows(columns, rows, (direction * found.offset).sum(axis=1) * scale)
