"""Even edges: vertices slide along the surface towards the middle of their neighbours and snap back to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.surface.grid.field import GridField
from teethscape.surface.mesh.marching import Array, Faces

_ROUNDS, _SHARE = 12, 0.6
#: Largest correction towards the surface per round, in pitches of the grid.
_SNAP = 0.5


def evened(vertices: Array, faces: Faces, field: GridField) -> Array:
    """(V, 3) vertices of an evener mesh of the same surface and the same triangles."""
    edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    ends = np.concatenate([edges, edges[:, ::-1]])
    count = np.bincount(ends[:, 0], minlength=len(vertices))[:, None]
    out = vertices.copy()
    for _ in range(_ROUNDS):
        mean = _summed(ends[:, 0], out[ends[:, 1]], len(out)) / np.maximum(count, 1)
        normal = vertex_normals(out, faces)
        move = mean - out
        move -= normal * (move * normal).sum(axis=1, keepdims=True)
        out = snapped(out + _SHARE * move, field)
    return out


def _summed(index: NDArray, values: Array, size: int) -> Array:
    sums = [np.asarray(np.bincount(index, values[:, k], size), np.float64) for k in range(3)]
    return np.stack(sums, axis=1)


def vertex_normals(vertices: Array, faces: NDArray[np.integer]) -> Array:
    """(V, 3) unit normals, weighted by area."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = _summed(faces.ravel(), np.repeat(normal, 3, axis=0), len(vertices))
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def snapped(points: Array, field: GridField) -> Array:
    """(n, 3) points after one Newton step onto the field's zero set."""
    step = 0.5 * field.pitch
    slope = np.stack(
        [(field.at(points + step * e) - field.at(points - step * e)) / (2 * step) for e in np.eye(3)], axis=1
    )
    size = np.maximum((slope**2).sum(axis=1), 0.05)
    move = -field.at(points)[:, None] * slope / size[:, None]
    length = np.linalg.norm(move, axis=1, keepdims=True)
    return points + move * np.minimum(1.0, _SNAP * field.pitch / np.maximum(length, 1e-12))


def edge_spread(vertices: Array, faces: Faces) -> tuple[float, float]:
    """Mean length of the edges, and their standard deviation as a share of it."""
    corners = vertices[faces]
    lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    return float(lengths.mean()), float(lengths.std() / lengths.mean())
