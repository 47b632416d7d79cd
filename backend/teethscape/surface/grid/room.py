"""Views that a grid can be solved for in the memory of an ordinary machine: large ones are shrunk.

Nodes grow with the cube of the pictures' resolution, equations with its square. A grid that is coarser than
the pixels would not do: everything in it is weighed, and drawn wider, by pixels as large as its cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.surface.start import MOST_NODES, Start, footprint, node_count, roomy_pitch
from teethscape.surface.tangents import WHOLE_PX
from teethscape.surface.views import FloatImage, Views

Shrink = Callable[[FloatImage], FloatImage]
#: Pixels of the object, in all views together, that equations are made of at most: two kilobytes each.
MOST_PIXELS = 1_000_000
#: Nodes along the longest side of the grid that shows how large the start is.
_PROBE = 48
#: A foreground is one pixel's from this share on.
_HALF = 0.5
#: A shorter mean of normals is of places that face different ways, or of hardly any.
_SHORTEST = 0.25
#: Share of the columns that a picture may lose so that its pixels stay square.
_FOR_SQUARES = 0.05


def roomy(views: Views, scale: float, start: Start, pitch: float) -> Views:
    """The views, or smaller ones where a grid of their resolution would need too much memory.

    Args:
        views: any.
        scale: mm per unit of their world.
        start: makes the start at a pitch, mm.
        pitch: distance of the finest grid's nodes, footprints of a pixel.
    """
    pixels = int((views.foreground > _HALF).sum())
    finest = pitch * footprint(views, scale)
    coarser = roomy_pitch(finest, _extent(views, scale, start, finest), MOST_NODES)
    factor = max(coarser / finest, float(np.sqrt(pixels / MOST_PIXELS)))
    return shrunk(views, factor) if factor > 1 else views


def _extent(views: Views, scale: float, start: Start, finest: float) -> NDArray[np.float64]:
    """(3,) of the start, mm, at most; looked at more closely only where that matters."""
    box = (views.high - views.low) * scale
    if node_count(box, finest) <= MOST_NODES:
        return box
    rough = start(views, float(box.max()) / _PROBE)
    return rough.high - rough.low


def shrunk(views: Views, factor: float) -> Views:
    """The views with pixels so many times as large, or a little larger, so that these stay square."""
    height, width = views.size
    columns = _columns(height, width, factor)
    size = columns, max(round(height * columns / width), 1)
    return replace(_resampled(views, size), border_px=_border(views.border_px, columns / width))


def squared(views: Views, view: int) -> Views:
    """One view alone, shrunk along one axis where its pixels are not square.

    Methods take two focal lengths; what draws a mesh into a view has one.
    """
    one = views.subset([view])
    height, width = one.size
    fx, fy = one.intrinsics[0, [0, 1], [0, 1]]
    focal = min(fx, fy)
    size = max(round(width * float(focal / fx)), 1), max(round(height * float(focal / fy)), 1)
    return one if size == (width, height) else _resampled(one, size)


def _resampled(views: Views, size: tuple[int, int]) -> Views:
    """The views with pictures of another width and height, px."""
    height, width = views.size
    intrinsics = views.intrinsics.copy()
    intrinsics[:, 0] *= size[0] / width
    intrinsics[:, 1] *= size[1] / height

    def small(pictures: FloatImage) -> FloatImage:
        return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in pictures])

    return replace(
        views,
        colours=small(views.colours),
        colour_mask=small(views.colour_mask),
        foreground=small(views.foreground),
        normals=None if views.normals is None else _small_normals(views.normals, views.foreground, small),
        intrinsics=intrinsics,
    )


def _small_normals(normals: FloatImage, foreground: FloatImage, small: Shrink) -> FloatImage:
    """(n, h, w, 3) mean directions of what the masks hold, zero where there is none."""
    means = small(normals * (foreground > _HALF)[..., None])
    length = np.linalg.norm(means, axis=-1, keepdims=True)
    return np.where(length > _SHORTEST, means / np.maximum(length, _SHORTEST), 0).astype(np.float32)


def _columns(height: int, width: int, factor: float) -> int:
    """How many columns a smaller picture has: where rows come out whole, too, or nearly."""
    most = max(int(width / factor), 1)
    ways = range(most, int((1 - _FOR_SQUARES) * most), -1)

    def left(columns: int) -> float:
        rows = height * columns / width
        return round(abs(rows - round(rows)), 6)

    return min(ways, key=left, default=most)


def _border(wandering: float, share: float) -> float:
    """How far borders wander in pixels of which the old ones are a share; whole pixels stay whole."""
    if wandering <= WHOLE_PX:
        return wandering
    return float(np.hypot(WHOLE_PX, share * np.sqrt(wandering**2 - WHOLE_PX**2)))
