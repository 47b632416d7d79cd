"""The outermost points of every crown: all that its outline depends on, from any side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial import ConvexHull

from teethscape.dental.fdi import is_left, right_twin
from teethscape.parametric.arch import ArchState
from teethscape.parametric.numbering.crowns import lower_teeth
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.prior import ToothPrior, ToothShape, once_per_shapes
from teethscape.parametric.rotation import FloatArray, rotation_matrix, times

#: Unknowns of a crown's form: the prior's modes, and smooth bumps that all views share and no mode tells.
MODES, BUMPS = 14, 12
FORMS = MODES + BUMPS
#: The bumps' size in mm, and how fast they change along the crown (von Mises-Fisher concentration).
_BUMP_SD, _BUMP_CONCENTRATION = 0.15, 12.0
#: Even directions in which hulls are looked for, and modes' coefficients for which.
_DIRECTIONS, _SPREAD = 80, 2.0


@dataclass(frozen=True)
class Hulls:
    """The outermost vertices of every crown without its neck cap, in local axes.

    Attributes:
        points: (28, P, 3) mean crowns, mm; shorter ones repeat their first point.
        forms: (28, P, 3, K) shape modes and bumps, of unit variance; in single precision, for they are many.
        height: (28, P) place between neck (0) and highest point (1).
        faces: per tooth (F, 3) the convex hull of the mean crown, outward in the world.
    """

    points: FloatArray
    forms: NDArray[np.float32]
    height: FloatArray
    faces: tuple[NDArray[np.int32], ...]


@once_per_shapes
def hulls_of(prior: ToothPrior) -> Hulls:
    """The outermost vertices of a prior's crowns, found once per set of crown models."""
    alike = {right_twin(fdi): _hull(prior.shape(fdi)) for fdi in prior.fdi if not is_left(fdi)}
    parts = [alike[right_twin(fdi)] for fdi in prior.fdi]
    most = max(len(height) for _, _, height in parts)
    rows = [np.r_[np.arange(len(height)), np.zeros(most - len(height), int)] for _, _, height in parts]
    return Hulls(
        np.array([points[row] for (points, _, _), row in zip(parts, rows, strict=True)]),
        np.array(
            [np.moveaxis(forms[:, row], 0, 2) for (_, forms, _), row in zip(parts, rows, strict=True)],
            np.float32,
        ),
        np.array([height[row] for (_, _, height), row in zip(parts, rows, strict=True)]),
        tuple(
            _hull_faces(points, handed)
            for (points, _, _), handed in zip(parts, np.linalg.det(prior.axes), strict=True)
        ),
    )


def _hull_faces(points: FloatArray, handed: float) -> NDArray[np.int32]:
    """(F, 3) faces of the convex hull of points (P, 3) in local axes, outward where these are ``handed``."""
    hull = ConvexHull(points)
    a, b, c = (points[hull.simplices[:, k]] for k in range(3))
    outward = (np.cross(b - a, c - a) * hull.equations[:, :3]).sum(axis=1) * handed > 0
    return np.where(outward[:, None], hull.simplices, hull.simplices[:, ::-1]).astype(np.int32)


def _hull(shape: ToothShape) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Vertices that are outermost in some direction for some crown of the family."""
    way = _even_directions()
    rows = np.flatnonzero(~shape.cap)
    modes = shape.modes[:MODES][:, rows]
    mean = shape.mean[rows]
    family = [mean, *(mean + s * _SPREAD * mode for mode in modes for s in (-1.0, 1.0))]
    keep = np.unique(np.concatenate([np.argmax(way @ points.T, axis=1) for points in family]))
    low, high = shape.mean[:, 2].min(), shape.mean[:, 2].max()
    points = mean[keep]
    height = (points[:, 2] - low) / (high - low)
    return points, np.concatenate([modes[:, keep], _bumps(points - shape.mean.mean(axis=0))]), height


def _even_directions() -> FloatArray:
    """(d, 3) unit vectors spread evenly: a Fibonacci lattice."""
    index = np.arange(_DIRECTIONS) + 0.5
    height = 1 - 2 * index / _DIRECTIONS
    angle = np.pi * (1 + np.sqrt(5.0)) * index
    flat = np.sqrt(1 - height**2)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), height], axis=1)


def _bumps(points: FloatArray) -> FloatArray:
    """(B, P, 3) leading radial displacements of a smooth random field on the crown, of unit variance.

    Args:
        points: (P, 3) from the crown's middle.
    """
    way = points / np.linalg.norm(points, axis=1, keepdims=True)
    alike = np.exp(_BUMP_CONCENTRATION * (way @ way.T - 1))
    value, vector = eigh(alike, subset_by_index=(len(way) - BUMPS, len(way) - 1), check_finite=False)
    leading = np.sqrt(np.maximum(value, 0.0)) * vector
    return _BUMP_SD * leading.T[:, :, None] * way


def smooth(state: ArchState) -> ArchState:
    """The state without bumps, which whole crowns do not have."""
    return replace(state, shape=state.shape[:, :MODES])


@dataclass(frozen=True)
class PlacedHulls:
    """Hulls in the world.

    Attributes:
        points: (28, P, 3) mm.
        turned: (28, P, 3) the same in their tooth's axes before its place.
        forms: (28, P, 3, K) shape modes and bumps.
    """

    points: FloatArray
    turned: FloatArray
    forms: NDArray[np.float32]


def place_hulls(layout: Layout, state: ArchState) -> PlacedHulls:
    """The hulls of all teeth at a state, in occlusion."""
    prior, hulls = layout.prior, hulls_of(layout.prior)
    count, points = hulls.points.shape[:2]
    shape = state.shape.astype(np.float32)[:, :, None]
    formed = (hulls.forms.reshape(count, -1, FORMS) @ shape).reshape(count, points, 3)
    turn = np.exp(state.log_size)[:, None, None] * rotation_matrix(state.rotation)
    turned = (hulls.points + formed) @ turn.transpose(0, 2, 1)
    lower = lower_teeth(prior)[:, None]
    bite = np.where(lower[:, None], rotation_matrix(state.bite[3:]), np.eye(3)).transpose(0, 2, 1)
    axes = prior.axes.transpose(0, 2, 1) @ bite  # of rows
    hinge = prior.bite_pivot + lower * state.bite[:3]
    place = times(state.translation, axes) + times(prior.centre - prior.bite_pivot, bite) + hinge
    return PlacedHulls(turned @ axes + place[:, None], turned, hulls.forms)
