"""A field sampled on a grid, and the box that its surface lies in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.surface.mesh.marching import Array, marching_cubes

#: (n, 3) world points, single precision, to (n,) values.
Field = Callable[[NDArray[np.float32]], NDArray[np.float32]]
#: Of its size, added to the box of a surface on each side; and nodes that are looked at together there.
_MARGIN, _CHUNK = 0.1, 1 << 21


def by_slabs(
    function: Callable[[NDArray[Any]], NDArray[np.floating]],
    axes: Sequence[NDArray[np.floating]],
    most: int = 1,
    each: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:
    """(x, y, z) values of a function at the nodes of a grid, a slab of it at a time.

    So no more is held of the nodes' places, and of what the function makes of them, than of one slab.

    Args:
        function: (n, 3) points, of the axes' precision, to (n,) values.
        axes: the nodes' places along x, y and z.
        most: nodes of a slab; it has at least one slice of x.
        each: called before every slab, so that a caller can stop there.
    """
    out = np.empty([len(axis) for axis in axes], np.float32)
    for first, values in slabs(function, axes, most, each):
        out[first : first + len(values)] = values
    return out


def slabs(
    function: Callable[[NDArray[Any]], NDArray[np.floating]],
    axes: Sequence[NDArray[np.floating]],
    most: int,
    each: Callable[[], None],
) -> Iterator[tuple[int, NDArray[np.floating]]]:
    """One slab of a grid after the other: its first slice, and its (x, y, z) values; as for `by_slabs`."""
    y, z = np.meshgrid(axes[1], axes[2], indexing="ij")
    thick = max(most // max(y.size, 1), 1)
    for first in range(0, len(axes[0]), thick):
        each()
        nodes = np.broadcast_arrays(axes[0][first : first + thick, None, None], y, z)
        yield first, function(np.stack(nodes, axis=-1).reshape(-1, 3)).reshape(-1, *y.shape)


def sampled(
    field: Field,
    low: Array,
    high: Array,
    counts: NDArray[np.int64],
    each: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:
    """(x, y, z) values at ``counts`` nodes per axis between two corners, one slice of x at a time.

    ``each`` is called before every slice, so that a caller can stop there.
    """
    return by_slabs(field, _axes(low, high, counts), each=each)


def surface_box(
    field: Field,
    low: Array,
    high: Array,
    counts: NDArray[np.int64],
    each: Callable[[], None] = lambda: None,
) -> tuple[Array, Array] | None:
    """The part of a box that is sampled again: where the surface lies, and a tenth of that more on each side.

    No more than some slices of the grid are held at once. Source: ``teethdreamer-spec.md``, section 6.8.

    Args:
        field: negative inside.
        low: (3,) corner of the box.
        high: (3,) the other one.
        counts: (3,) nodes at which the surface is looked for.
        each: called before every slab of them, so that a caller can stop there.

    Returns:
        Two corners (3,); None where the field is on one side everywhere.
    """
    first, last = np.full(3, np.inf), np.full(3, -np.inf)
    before: list[NDArray[np.floating]] = []  # the slice in front of a slab: surface lies between them, too
    for number, values in slabs(field, _axes(low, high, counts), _CHUNK, each):
        vertices, _ = marching_cubes(np.concatenate([*before, values]))
        if len(vertices):
            vertices[:, 0] += number - len(before)
            first, last = np.minimum(first, vertices.min(axis=0)), np.maximum(last, vertices.max(axis=0))
        before = [values[-1:]]
    if not np.isfinite(first).all():
        return None
    first, last = (low + place / (counts - 1) * (high - low) for place in (first, last))
    margin = _MARGIN * (last - first)
    return np.maximum(first - margin, low), np.minimum(last + margin, high)


def _axes(low: Array, high: Array, counts: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    """Places of ``counts`` nodes per axis between two corners."""
    return [np.linspace(a, b, n).astype(np.float32) for a, b, n in zip(low, high, counts, strict=True)]
