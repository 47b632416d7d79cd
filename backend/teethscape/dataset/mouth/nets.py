"""Iso-surfaces of scalar fields by naive surface nets (Gibson 1998), numpy only."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Quads = NDArray[np.int32]


def _corner(field: NDArray, offset: tuple[int, int, int]) -> NDArray:
    """The field at one corner of every cell."""
    slices = tuple(slice(o, o - 1 if o == 0 else None) for o in offset)
    return field[slices]


def _cell_vertices(field: NDArray, cells: NDArray[np.intp]) -> Array:
    """Mean of the crossings on the edges of each active cell, in grid units (n, 3)."""
    total, count = np.zeros((len(cells), 3)), np.zeros(len(cells))
    for axis in range(3):
        for rest in product((0, 1), repeat=2):
            start = np.insert(np.array(rest), axis, 0)
            step = np.zeros(3, int)
            step[axis] = 1
            a = field[tuple((cells + start).T)].astype(np.float64)
            b = field[tuple((cells + start + step).T)].astype(np.float64)
            cut = (a < 0) != (b < 0)
            share = np.where(cut, a / np.where(cut, a - b, 1.0), 0.0)
            total[cut] += (cells + start)[cut] + share[cut, None] * step
            count += cut
    return total / count[:, None]


def _axis_quads(inside: NDArray[np.bool_], index: NDArray[np.int32], axis: int) -> Quads:
    """Quads round the sign changes along one axis, facing the outside."""
    before = np.take(inside, range(inside.shape[axis] - 1), axis)
    after = np.take(inside, range(1, inside.shape[axis]), axis)
    edges = np.argwhere(before != after)
    u, v = [k for k in range(3) if k != axis]
    keep = (edges[:, [u, v]] > 0).all(axis=1) & (edges[:, [u, v]] < np.array(inside.shape)[[u, v]] - 1).all(
        axis=1
    )
    edges = edges[keep]
    ring = []
    for du, dv in ((-1, -1), (0, -1), (0, 0), (-1, 0)):
        cell = edges.copy()
        cell[:, u] += du
        cell[:, v] += dv
        ring.append(index[tuple(cell.T)])
    quads = np.stack(ring, axis=1)
    # (u, v, axis) is right-handed for axes 0 and 2, left-handed for axis 1.
    flip = before[tuple(edges.T)] == (axis == 1)
    quads[flip] = quads[flip][:, ::-1]
    return quads


def surface_nets(field: NDArray, origin: Array, step: float) -> tuple[Array, Quads]:
    """Surface where ``field`` (nx, ny, nz) is zero; negative is inside.

    Args:
        field: samples at ``origin + step * (i, j, k)``.
        origin: (3,) mm.
        step: grid spacing, mm.

    Returns:
        Vertices (n, 3) in mm and quads (m, 4), outward.
    """
    inside = field < 0
    corners = [_corner(inside, (i, j, k)) for i, j, k in product((0, 1), repeat=3)]
    count = np.sum(corners, axis=0, dtype=np.int8)
    active = (count > 0) & (count < 8)
    cells = np.argwhere(active)
    index = np.full(active.shape, -1, np.int32)
    index[tuple(cells.T)] = np.arange(len(cells))
    quads = np.vstack([_axis_quads(inside, index, axis) for axis in range(3)])
    return origin + step * _cell_vertices(field, cells), quads.astype(np.int32)
