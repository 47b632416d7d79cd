"""A field sampled on a grid, in two passes: roughly everywhere, then closely where the surface is.

Source: ``teethdreamer-spec.md``, section 6.8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.surface.mesh.marching import Array, Faces, marching_cubes

#: (n, 3) world points, single precision, to (n,) values.
Field = Callable[[NDArray[np.float32]], NDArray[np.float32]]
_MARGIN = 0.1


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
    y, z = np.meshgrid(axes[1], axes[2], indexing="ij")
    out = np.empty([len(axis) for axis in axes], np.float32)
    thick = max(most // max(y.size, 1), 1)
    for k in range(0, len(out), thick):
        each()
        slab = np.broadcast_arrays(axes[0][k : k + thick, None, None], y, z)
        out[k : k + thick] = function(np.stack(slab, axis=-1).reshape(-1, 3)).reshape(-1, *y.shape)
    return out


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
    axes = [np.linspace(a, b, n).astype(np.float32) for a, b, n in zip(low, high, counts, strict=True)]
    return by_slabs(field, axes, each=each)


def two_pass_surface(field: Field, radius: float, resolution: int) -> tuple[Array, Faces]:
    """The zero set of a field in the cube of half side ``radius``; the published extraction.

    The second pass covers the box of the first one's vertices and a tenth more on each side.

    Returns:
        (V, 3) world, (F, 3) outward; both empty where there is no surface.
    """
    counts = np.full(3, resolution)
    low, high = np.full(3, -radius), np.full(3, radius)
    vertices, faces = surface_in_box(field, low, high, counts)
    if not len(faces):
        return vertices, faces
    first, last = vertices.min(axis=0), vertices.max(axis=0)
    margin = _MARGIN * (last - first)
    low, high = np.maximum(first - margin, low), np.minimum(last + margin, high)
    return surface_in_box(field, low, high, counts)


def surface_in_box(
    field: Field, low: Array, high: Array, counts: NDArray[np.int64], level: float = 0.0
) -> tuple[Array, Faces]:
    """The surface of a field in a box: (V, 3) world, (F, 3) outward."""
    vertices, faces = marching_cubes(sampled(field, low, high, counts), level)
    return low + vertices / (counts - 1) * (high - low), faces
