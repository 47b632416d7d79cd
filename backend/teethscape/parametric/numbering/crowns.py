"""Crowns as scattered surface points: a cheap picture of what a camera sees of each tooth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.arch import ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.prior import ToothPrior, once_per_shapes
from teethscape.parametric.rotation import FloatArray, rotation_matrix

#: Surface points per crown.
POINTS = 420
_CELL_MM = 1.0  # size of a depth cell: a little more than the distance of the points
_BEHIND_MM = 1.6  # a point this far behind the nearest of its cell is hidden
_MOST_CELLS = 2048  # in a row, for a camera that stands in a tooth


@dataclass(frozen=True)
class Crowns:
    """Surface points of every mean crown without its neck cap, in local axes.

    Attributes:
        points: (28, P, 3) mesial, buccal, occlusal, mm.
        normals: (28, P, 3) outward unit normals.
        areas: (28, P) surface that each point stands for, mm^2.
    """

    points: FloatArray
    normals: FloatArray
    areas: FloatArray


@dataclass(frozen=True)
class Seen:
    """What a camera sees of each tooth; what would be seen of it alone where it is hidden.

    Attributes:
        area: (28,) visible area, px^2.
        spread: (28, 2, 2) second moments of the visible part, px^2.
        centre: (28, 2) its centroid, px; the whole crown where nothing is seen.
        anchor: (28, 3) world point whose projection is that centroid, mm.
        share: (28,) visible part of the side turned to the camera, 0..1.
    """

    area: FloatArray
    spread: FloatArray
    centre: FloatArray
    anchor: FloatArray
    share: FloatArray


def _vertex_normals(vertices: FloatArray, faces: NDArray[np.int32]) -> FloatArray:
    """(V, 3) outward normals whose length is the vertex's share of the surface."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a) / 6
    out = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(out, faces[:, k], cross)
    return out


@once_per_shapes
def crowns_of(prior: ToothPrior) -> Crowns:
    """The scattered crowns of a prior, built once per set of crown models."""
    rng = np.random.default_rng(0)
    points, normals, areas = [], [], []
    for index, fdi in enumerate(prior.fdi):
        shape = prior.shape(fdi)
        handed = np.sign(np.linalg.det(prior.axes[index]))
        normal = handed * _vertex_normals(shape.mean, prior.faces_of(fdi))
        size = np.linalg.norm(normal, axis=1)
        open_surface = np.flatnonzero(~shape.cap & (size > 0))
        rows = rng.choice(open_surface, POINTS, replace=len(open_surface) < POINTS)
        points.append(shape.mean[rows])
        normals.append(normal[rows] / size[rows, None])
        areas.append(size[rows] * size[open_surface].sum() / size[rows].sum())
    return Crowns(np.array(points), np.array(normals), np.array(areas))


@dataclass(frozen=True)
class Placed:
    """Crowns placed in the world: points (28, P, 3) mm, normals (28, P, 3), areas (28, P) mm^2."""

    points: FloatArray
    normals: FloatArray
    areas: FloatArray

    def only(self, rows: NDArray[np.intp]) -> Placed:
        """Some of the crowns."""
        return Placed(self.points[rows], self.normals[rows], self.areas[rows])


def placed_at(prior: ToothPrior, state: ArchState) -> Placed:
    """Mean crowns at the pose, size and bite of a state; its shape is left out."""
    crowns = crowns_of(prior)
    turn = prior.axes @ rotation_matrix(state.rotation)
    grown = np.exp(state.log_size)[:, None, None] * turn
    place = (prior.axes @ state.translation[:, :, None])[:, :, 0] + prior.centre
    points = crowns.points @ grown.transpose(0, 2, 1) + place[:, None]
    normals = crowns.normals @ turn.transpose(0, 2, 1)
    lower = lower_teeth(prior)
    bite = rotation_matrix(state.bite[3:])
    points[lower] = (points[lower] - prior.bite_pivot) @ bite.T + prior.bite_pivot + state.bite[:3]
    normals[lower] = normals[lower] @ bite.T
    return Placed(points, normals, crowns.areas * np.exp(2 * state.log_size)[:, None])


def lower_teeth(prior: ToothPrior) -> NDArray[np.bool_]:
    """(28,) true for teeth of the lower jaw."""
    return np.array([fdi >= 30 for fdi in prior.fdi])


def see(placed: Placed, camera: Camera, drawn: NDArray[np.bool_]) -> Seen:
    """Visible centroid and area of each tooth.

    Args:
        placed: all crowns.
        camera: where the photo was taken from.
        drawn: (28,) teeth that exist and count in the view.
    """
    pixels, depth, weight = _projected(placed, camera, drawn)
    shown = weight * _unhidden(pixels, depth, weight > 0, camera.focal)
    return _gather(placed, pixels, weight, shown)


def _projected(
    placed: Placed, camera: Camera, drawn: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Flat pixels (2, 28 P), depth in mm, and area in px^2 of what is turned to the camera."""
    local = camera.columns(placed.points.reshape(-1, 3))
    facing = -((camera.rotation @ placed.normals.reshape(-1, 3).T) * local).sum(axis=0)
    depth = np.maximum(local[2], 1.0)
    scale = camera.focal / depth
    weight = np.maximum(facing / depth, 0.0) * placed.areas.ravel() * scale**2
    weight *= np.repeat(drawn, placed.points.shape[1]) & (local[2] > 1.0)
    return local[:2] * scale + camera.principal[:, None], depth, weight


def _unhidden(
    pixels: FloatArray, depth: FloatArray, front: NDArray[np.bool_], focal: float
) -> NDArray[np.bool_]:
    """True for front points with nothing before them in their cell."""
    out = np.zeros(len(depth), bool)
    rows = np.flatnonzero(front)
    if not len(rows):
        return out
    near, place = depth[rows], pixels[:, rows]
    cell = np.maximum(_CELL_MM * focal / np.median(near), 1e-3)
    across, down = np.minimum((place - place.min(axis=1)[:, None]) / cell, _MOST_CELLS - 1).astype(np.intp)
    key = down * (int(across.max()) + 1) + across
    nearest = np.full(int(key.max()) + 1, np.inf)
    np.minimum.at(nearest, key, near)
    out[rows] = near <= nearest[key] + _BEHIND_MM
    return out


def _gather(placed: Placed, pixels: FloatArray, weight: FloatArray, shown: FloatArray) -> Seen:
    teeth, per_tooth = placed.areas.shape
    part = shown.reshape(teeth, per_tooth)
    area = part.sum(axis=1)
    use = np.where(area[:, None] > 0, part, placed.areas)
    use = use / use.sum(axis=1, keepdims=True)
    grid = pixels.reshape(2, teeth, per_tooth)
    centre = (grid * use).sum(axis=2)
    apart = grid - centre[:, :, None]
    spread = np.einsum("jtp,ktp->tjk", apart * use, apart)
    anchor = (use[:, None] @ placed.points)[:, 0]
    total = weight.reshape(teeth, per_tooth).sum(axis=1)
    return Seen(area, spread, centre.T, anchor, area / np.maximum(total, 1e-9))
