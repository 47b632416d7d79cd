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

#: Pairs that weigh less say nothing.
_NO_WEIGHT = 1e-9


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
        offset: (n, 2) model minus label, px.
        normal: (n, 2) outward normal of the label.
        weight: (n,) robust weight times the label's belief, 0 to 1.
    """

    offset: FloatArray
    normal: FloatArray
    weight: FloatArray


def residuals(
    rim: Rim, observation: Observation, pairs: Pairs, noise: OutlineNoise, px_per_mm: float
) -> PairResiduals:
    """Distances of matched points, with Geman-McClure and normal-agreement weights."""
    model, label = rim.contour, observation.contour
    normal = label.normal[pairs.label]
    gum = rim.gum[pairs.rim]
    target = label.position[pairs.label] - (gum * noise.gum_offset_mm * px_per_mm)[:, None] * normal
    offset = model.position[pairs.rim] - target
    agree = np.maximum((normal * model.normal[pairs.rim]).sum(axis=1), 0.0)
    distance = np.hypot(offset[:, 0], offset[:, 1])
    weight = observation.belief[pairs.label] * agree / (1 + (distance / noise.cutoff_px) ** 2) ** 2
    return PairResiduals(offset, normal, np.where(gum, weight / noise.gum_factor**2, weight))


@dataclass(frozen=True)
class PointResiduals:
    """What all pairs of a rim point say together: two whitened residuals each.

    Attributes:
        point: (n,) rows of the rim.
        first: (n, 2) image direction of the first residual over its standard deviation, 1/px.
        second: (n, 2) the same of the second.
        residual: (2, n) residuals in standard deviations.
    """

    point: NDArray[np.intp]
    first: FloatArray
    second: FloatArray
    residual: FloatArray

    def of(self, rows: NDArray[np.intp]) -> PointResiduals:
        """Some of the points."""
        return PointResiduals(self.point[rows], self.first[rows], self.second[rows], self.residual[:, rows])


def whitened(found: PairResiduals, point: NDArray[np.intp], noise: OutlineNoise) -> PointResiduals:
    """Sum the pairs of every rim point, across and along their outlines, without loss.

    The normal equations of a point need only the 2 x 2 information ``A`` of its image
    position and ``A offset``; with ``A = L L'`` the rows of ``L'`` are its two directions.
    """
    kept = np.flatnonzero(found.weight > _NO_WEIGHT)
    rows, slot = np.unique(point[kept], return_inverse=True)
    normal, weight = found.normal[kept].T, found.weight[kept] / noise.sigma_px**2
    along = weight * noise.tangential**2
    across = weight - along
    xx, xy, yy = (
        across * normal[0] ** 2 + along,
        across * normal[0] * normal[1],
        across * normal[1] ** 2 + along,
    )
    x, y = found.offset[kept].T
    sums = (xx, xy, yy, xx * x + xy * y, xy * x + yy * y)
    a, b, c, u, v = (np.bincount(slot, values, minlength=len(rows)) for values in sums)
    root = np.sqrt(a)
    lower, rest = b / root, np.sqrt(c - b * b / a)
    residual = np.stack([u / root, (v - lower * u / root) / rest])
    first, second = np.stack([root, lower], axis=1), np.stack([np.zeros_like(rest), rest], axis=1)
    return PointResiduals(rows, first, second, residual)


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
    points = whitened(found, pairs.rim, noise)
    tooth = rim.contour.tooth[points.point]
    for index in np.unique(tooth):
        _add_tooth(system, arch, shot, rim, points.of(np.flatnonzero(tooth == index)))
    along = np.abs((found.offset * found.normal).sum(axis=1))
    return float((along * found.weight).sum() / max(found.weight.sum(), 1e-9))


def _add_tooth(system: NormalEquations, arch: Arch, shot: Shot, rim: Rim, points: PointResiduals) -> None:
    """Residuals of the rim points of one tooth."""
    index = int(rim.contour.tooth[points.point[0]])
    corners, weights = rim.corners[points.point], rim.weights[points.point]
    modes = arch.prior.shape(arch.prior.fdi[index]).modes[: arch.state.modes]
    local = np.einsum("nc,ncx->nx", weights, arch.local_vertices(index)[corners])
    surface = np.einsum("nc,kncx->knx", weights, modes[:, corners])
    bites = arch.is_lower(index) and not shot.observation.view.is_occlusal
    placed = arch.posed(index, local)
    world = arch.bitten(placed) if bites else placed
    columns = [system.layout.tooth(index), system.layout.camera(shot.slot), system.layout.bite()]
    for directions, residual in zip((points.first, points.second), points.residual, strict=True):
        along, to_camera = shot.camera.pull(world, directions)
        blocks = [to_camera]
        if bites:
            along, to_bite = arch.pull_bite(placed, along)
            blocks.append(to_bite)
        rows = np.hstack([arch.pull(index, local, surface, along), *blocks])
        system.add_rows(np.concatenate(columns[: len(blocks) + 1]), rows, residual)
