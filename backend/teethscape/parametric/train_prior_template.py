"""Topology that every crown shares: an even sphere with a ring at the neck.

Directions are (mesial, buccal, occlusal) seen from inside the crown; the neck
cap surrounds the apical pole (0, 0, -1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

FloatArray = NDArray[np.float64]

RING = 54
CAP_INNER = 170
CROWN = 976
#: Angle between the apical pole and the ring on the template, radians; it gives
#: the ring's zone the share of the sphere that its vertex counts call for.
RING_ANGLE = float(np.arccos(1 - 2 * (CAP_INNER + RING / 2) / (CAP_INNER + RING + CROWN)))
_ROUNDS = 120


@dataclass(frozen=True)
class Template:
    """A triangulated unit sphere.

    Attributes:
        directions: (V, 3) unit vectors; the ring first, then the cap, then the crown.
        faces: (F, 3) outward.
        ring: (R,) vertices of the neck's border, in order.
        cap: (V,) true on the cap, ring included.
    """

    directions: FloatArray
    faces: NDArray[np.int32]
    ring: NDArray[np.int32]
    cap: NDArray[np.bool_]


def make_template() -> Template:
    """Spread the vertices evenly over the sphere, the ring held in place."""
    directions = np.vstack([_ring(), _spiral(CAP_INNER, 0.0, RING_ANGLE), _spiral(CROWN, RING_ANGLE, np.pi)])
    for _ in range(_ROUNDS):
        directions[RING:] = _relaxed(directions, _triangulate(directions))[RING:]
    cap = np.arange(len(directions)) < RING + CAP_INNER
    return Template(directions, _triangulate(directions), np.arange(RING, dtype=np.int32), cap)


def _ring() -> FloatArray:
    turn = 2 * np.pi * np.arange(RING) / RING
    radius = np.sin(RING_ANGLE)
    return np.column_stack([radius * np.cos(turn), radius * np.sin(turn), np.full(RING, -np.cos(RING_ANGLE))])


def _spiral(count: int, start: float, stop: float) -> FloatArray:
    """Golden spiral between two angles from the apical pole."""
    share = (np.arange(count) + 0.5) / count
    height = np.cos(start) + share * (np.cos(stop) - np.cos(start))
    turn = np.arange(count) * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.column_stack([radius * np.cos(turn), radius * np.sin(turn), -height])


def _triangulate(directions: FloatArray) -> NDArray[np.int32]:
    """Delaunay triangulation of points on the sphere, outward, sorted."""
    faces = ConvexHull(directions).simplices.astype(np.int32)
    corners = directions[faces]
    inward = np.einsum("fi,fi->f", np.cross(corners[:, 0], corners[:, 1]), corners[:, 2]) < 0
    faces[inward] = faces[inward][:, ::-1]
    first = np.argmin(faces, axis=1)
    faces = np.take_along_axis(faces, (first[:, None] + np.arange(3)) % 3, axis=1)
    return faces[np.lexsort(faces.T[::-1])]


def _relaxed(directions: FloatArray, faces: NDArray[np.int32]) -> FloatArray:
    """One step of Lloyd's method: move to the area-weighted centre of the own faces."""
    corners = directions[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    total = np.zeros_like(directions)
    np.add.at(total, faces.ravel(), np.repeat(corners.mean(1) * area[:, None], 3, axis=0))
    return total / np.linalg.norm(total, axis=1, keepdims=True)
