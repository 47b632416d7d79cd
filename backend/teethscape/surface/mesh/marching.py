"""Marching cubes in numpy: closed two-manifold surfaces of a sampled field (Lorensen and Cline 1987)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.surface.mesh.marching_table import EDGES, corner_offsets, triangles

Array = NDArray[np.float64]
Faces = NDArray[np.int32]
#: How near to a node an edge may be crossed, as a share; on the node triangles would have no area.
_NEAREST = 1e-4


def marching_cubes(values: NDArray[np.floating], level: float = 0.0) -> tuple[Array, Faces]:
    """The surface where a field takes a value.

    Args:
        values: (x, y, z) samples at the nodes of a grid, smaller inside.
        level: the value.

    Returns:
        (V, 3) vertices in units of the grid (node i at i), (F, 3) faces outward. Empty where the
        value is nowhere crossed; open where the surface leaves the grid.
    """
    cells, cases = _active(values < level)
    shape = np.array(values.shape)
    nodes = cells @ _steps(shape)
    keys = _corner_keys(nodes, cases, shape)
    unique, number = np.unique(keys, return_inverse=True)
    points = _crossings(unique, values.ravel(), level, shape)
    return points, number.reshape(-1, 3).astype(np.int32)


def _steps(shape: NDArray) -> NDArray[np.int64]:
    """Distance of neighbouring nodes in the flat list, per axis."""
    return np.array([shape[1] * shape[2], shape[2], 1])


def _active(inside: NDArray[np.bool_]) -> tuple[NDArray, NDArray]:
    """Cells (n, 3) that the surface crosses, and their cases (n,)."""
    width, depth, height = (int(n) - 1 for n in inside.shape)
    case = np.zeros((width, depth, height), np.uint8)
    for k, (x, y, z) in enumerate(corner_offsets()):
        part = inside[x : x + width, y : y + depth, z : z + height]
        case |= part.astype(np.uint8) << np.uint8(k)
    cells = np.argwhere((case != 0) & (case != 255))
    return cells, case[tuple(cells.T)]


def _corner_keys(nodes: NDArray, cases: NDArray, shape: NDArray) -> NDArray[np.int64]:
    """(3 f,) per corner of every triangle the key of its edge: three times the lower node plus the axis."""
    low = np.array([a for a, _ in EDGES])
    axis = np.array([(a ^ b).bit_length() - 1 for a, b in EDGES])
    key = 3 * (nodes[:, None] + (corner_offsets() @ _steps(shape))[low]) + axis  # (n, 12)
    rows = [key[cases == case][:, triangles(int(case)).ravel()].ravel() for case in np.unique(cases)]
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)


def _crossings(keys: NDArray, flat: NDArray, level: float, shape: NDArray) -> Array:
    """(n, 3) places where edges are crossed."""
    node, axis = np.divmod(keys, 3)
    one = flat[node].astype(np.float64)
    two = flat[node + _steps(shape)[axis]].astype(np.float64)
    share = np.clip((level - one) / np.where(two == one, 1.0, two - one), _NEAREST, 1 - _NEAREST)
    points = np.stack(np.unravel_index(node, tuple(shape)), axis=1).astype(np.float64)
    points[np.arange(len(points)), axis] += share
    return points
