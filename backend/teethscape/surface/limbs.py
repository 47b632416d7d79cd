"""How far beyond the borders of masks the body turns away, as the normals inside tell.

Toward its outline the share of a body's normal that lies across the line of sight grows to 1; on a round body
evenly, as it is the distance from the middle in radii. Continued straight from pixels a little inside, it
tells where the outline is. Crowns are no balls, and one view is told to half a pixel; all together tell
whether *all* masks are off alike, which no comparison of outlines tells from another size.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.surface.hull import mask_distances
from teethscape.surface.views import Array, Views, directed

#: Depths inside a border that are looked at, px: what a mask has gained, or the nearest pixel, is left out.
_DEPTHS = (1.0, 4.0)
#: Shares across the line of sight that are looked at. Walls that are seen along end elsewhere, and of what
#: faces the camera nothing tells the end.
_SHARES = (0.5, 0.97)
#: Standard deviation of the window in which slopes are taken, px, and what keeps them finite, px^2.
_WINDOW, _LEAST_SPREAD = 1.0, 0.02
#: Least slope, 1 / px, and least cosine between it and the way outward: others lead to no outline here.
_LEAST_SLOPE, _OUTWARD = 0.02, 0.7
#: How far beyond right borders a body seems to turn away, px: 0.5 for ellipsoids; of eight synthetic jaws
#: 0.30 to 0.58, with ragged masks 0.10 to 0.34; with masks two pixels too small 0.99 to 1.68, two too large
#: -0.56 to -0.83. So masks are right where it lies between these bounds; otherwise what it differs from the
#: usual is half of what they are off: slopes are not even, and what a mask has gained hides the outline.
_USUAL, _RIGHT, _TIMES = 0.4, (-0.05, 0.65), 2.0
#: Fewer pixels of a view tell nothing, and so does a smaller share of the views.
_ENOUGH, _MOST = 30, 0.75


def outline_beyond(views: Views) -> float | None:
    """How far the outline lies beyond the masks, px, where three quarters of the views at least say so.

    Negative: it lies inside; 0: that is not clear; None: normals do not tell.
    """
    if views.normals is None:
        return None
    found = [_of_view(views, views.normals[view], view) for view in range(len(views))]
    told = [value for value in found if value is not None]
    if len(told) < _MOST * len(views):
        return None
    low, middle, high = np.percentile(told, [100 * (1 - _MOST), 50, 100 * _MOST])
    right = low < _RIGHT[1] and high > _RIGHT[0]
    return 0.0 if right else float(_TIMES * (middle - _USUAL))


def _of_view(views: Views, normals: NDArray[np.float32], view: int) -> float | None:
    rays = views.directions(view)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    share = np.sqrt(np.clip(1 - (normals * rays).sum(axis=-1) ** 2, 0, 1))
    known = (views.foreground[view] > 0.5) & directed(normals)
    edge = mask_distances(views.foreground[view])
    here, right, down = _plane(share, known.astype(np.float64))
    slope = np.hypot(right, down)
    out_down, out_right = np.gradient(edge)
    along = (right * out_right + down * out_down) / np.maximum(slope * np.hypot(out_down, out_right), 1e-9)
    use = known & (-edge > _DEPTHS[0]) & (-edge < _DEPTHS[1]) & (share > _SHARES[0]) & (share < _SHARES[1])
    use &= (along > _OUTWARD) & (slope > _LEAST_SLOPE)
    if use.sum() < _ENOUGH:
        return None
    return float(np.median((1 - here[use]) / slope[use] + edge[use]))


def _plane(values: Array, weight: Array) -> tuple[Array, Array, Array]:
    """(h, w) value and slopes to the right and down of the plane through weighed values around a pixel."""
    down, right = np.mgrid[: values.shape[0], : values.shape[1]].astype(np.float64)
    total = cv2.GaussianBlur(weight, (0, 0), _WINDOW) + 1e-12

    def mean(picture: Array) -> Array:
        return cv2.GaussianBlur(weight * picture, (0, 0), _WINDOW) / total

    x, y, v = mean(right), mean(down), mean(values)
    xx, yy = (mean(a * a) - m * m + _LEAST_SPREAD for a, m in ((right, x), (down, y)))
    xy, xv, yv = mean(right * down) - x * y, mean(right * values) - x * v, mean(down * values) - y * v
    size = xx * yy - xy * xy
    slope_x, slope_y = (yy * xv - xy * yv) / size, (xx * yv - xy * xv) / size
    return v + slope_x * (right - x) + slope_y * (down - y), slope_x, slope_y
