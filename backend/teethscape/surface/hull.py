"""The visual hull: the largest body that fits into every view's mask (Laurentini 1994)."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from teethscape.surface.views import Array, Views

_HALF = 0.5


def mask_distances(foreground: NDArray[np.floating]) -> NDArray[np.float32]:
    """(h, w) signed distance of pixel centres to a mask's border, px, negative inside.

    The border runs half a pixel outside the outermost inner pixel centres. A full or an empty mask has
    none; its pixels are as far away as the picture is wide and high.
    """
    inside = foreground > _HALF
    return np.where(inside, _HALF - _depths(inside), _depths(~inside) - _HALF).astype(np.float32)


def _depths(region: NDArray[np.bool_]) -> Array:
    """(h, w) distance of a region's pixels to the nearest other pixel, px, 0 elsewhere.

    By scipy and not by OpenCV, whose exact distances differ in the last bit with the place of the picture
    in memory: the grid's equations decide by signs, so that a resumed run became another one.
    """
    if region.all():
        return np.full(region.shape, np.hypot(*region.shape))
    return np.asarray(ndimage.distance_transform_edt(region), np.float64)


def outermost(region: NDArray[np.bool_], *, at_ends: bool) -> NDArray[np.bool_]:
    """(h, w) pixels of a region beside others; ``at_ends``: also where the picture ends."""
    inner = cv2.erode(
        region.astype(np.uint8),
        np.ones((3, 3), np.uint8),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0 if at_ends else 1,
    )
    return region & (inner == 0)


def touches_border(foreground: NDArray[np.floating]) -> bool:
    """Whether the object is cut off by the picture's border."""
    inside = foreground > _HALF
    return bool(inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any())


def looked_up(image: NDArray[np.float32], pixels: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n,) values of an image at (n, 2) pixels (centres at +0.5), bilinear, the border repeated."""
    x = (pixels[:, 0] - _HALF).astype(np.float32)
    y = (pixels[:, 1] - _HALF).astype(np.float32)
    rows = -(-len(x) // 4096)  # OpenCV's remap takes pictures of at most 32767 px a side
    padded = [np.pad(a, (0, rows * 4096 - len(a))).reshape(rows, 4096) for a in (x, y)]
    found = [
        cv2.remap(image, a, b, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).ravel()
        for a, b in zip(*(np.array_split(p, -(-rows // 30000)) for p in padded), strict=True)
    ]
    return np.concatenate(found)[: len(x)].astype(np.float32)


def hull_distance(views: Views, points: Array) -> NDArray[np.float32]:
    """(n,) how far (n, 3) world points lie outside the hull, world units; negative inside.

    The largest of the views' distances to their masks, scaled by each point's depth: exact on the hull
    and never larger than the true distance outside. Points that a view cannot see are outside, unless its
    mask is cut off by the picture's border.
    """
    return hull_of(views)(points)


def hull_of(views: Views) -> Callable[[Array], NDArray[np.float32]]:
    """`hull_distance` of points that are asked for in parts: distances to masks are worked out once."""
    masks = [(mask_distances(one), touches_border(one)) for one in views.foreground]
    height, width = views.size

    def distances(points: Array) -> NDArray[np.float32]:
        worst = np.full(len(points), -np.inf, np.float32)
        for view, (border, is_cut) in enumerate(masks):
            pixels, depth = views.project(view, points)
            distance = looked_up(border, pixels)
            beyond = np.maximum(np.maximum(-pixels, pixels - (width, height)).max(axis=1), 0)
            distance = np.where(beyond > 0, -np.inf, distance) if is_cut else distance + beyond
            scaled = distance * depth / views.intrinsics[view, 0, 0]
            worst = np.maximum(worst, np.where(depth > 0, scaled, np.inf)).astype(np.float32)
        return worst

    return distances


def hull_mm(views: Views, scale: float) -> Callable[[Array], NDArray[np.float32]]:
    """`hull_of` for points (n, 3) and distances (n,) in mm; ``scale`` is mm per world unit."""
    hull = hull_of(views)
    return lambda points: hull(points / scale) * scale


def coverage(views: Views, points: Array, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n views,) share of each mask that a body covers.

    Args:
        views: their masks.
        points: (m, 3) a grid of points finer than the pixels' footprint.
        inside: (m,) which of them belong to the body.
    """
    body, out = points[inside], []
    height, width = views.size
    for view in range(len(views)):
        mask = views.foreground[view] > _HALF
        pixels, _ = views.project(view, body)
        seen = np.zeros((height, width), np.uint8)
        column, row = np.floor(pixels).astype(int).T
        here = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        seen[row[here], column[here]] = 1
        seen = cv2.dilate(seen, np.ones((3, 3), np.uint8))
        out.append(float((mask & (seen > 0)).sum() / max(mask.sum(), 1)))
    return np.array(out)
