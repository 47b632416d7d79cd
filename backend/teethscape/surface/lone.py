"""Size and place of views of a case that has teeth of one jaw alone.

The views' world is that of the jaw pair, so without the other jaw the case tells neither. What the views show
does: the fitted teeth must fill their outlines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from teethscape.mesh.align import Similarity
from teethscape.surface.hull import touches_border
from teethscape.surface.views import Array, Views

#: Share of a picture's height, at least a pixel, by which half of the outlines' ends may be off.
_OFF, _OFF_PX = 0.015, 1.0
#: Beyond so many pixels an end counts less: that of a wrong mask.
_WRONG_PX = 2.0
#: Views that tell size and place.
_VIEWS = 3


def place_by_outlines(views: Views, points: Array, start: Similarity, keep_size: bool) -> Similarity | None:
    """Our frame to the views' world, so that teeth fill the outlines of the views; None where they cannot.

    Args:
        views: whole outlines of the teeth.
        points: (n, 3) of the teeth's surfaces, our frame, mm.
        start: about where they lie; its rotation is kept.
        keep_size: keep its scale too.
    """
    seen = [v for v, mask in enumerate(views.foreground) if _is_whole(mask)]
    if len(seen) < _VIEWS:
        return None
    ends = np.array([_ends(np.argwhere(views.foreground[v] > 0.5)[:, ::-1] + 0.5, 0.5) for v in seen])

    def placed(values: Array) -> Similarity:
        scale = start.scale if keep_size else start.scale * float(np.exp(values[3]))
        return Similarity(scale, start.rotation, start.shift + values[:3])

    def off(values: Array) -> Array:
        moved = placed(values).points(points)
        return np.concatenate(
            [_ends(views.project(v, moved)[0]) - e for v, e in zip(seen, ends, strict=True)]
        )

    found = least_squares(off, np.zeros(3 if keep_size else 4), loss="soft_l1", f_scale=_WRONG_PX)
    most = max(_OFF_PX, _OFF * views.size[0])
    return placed(found.x) if np.median(np.abs(off(found.x))) <= most else None


def _ends(pixels: NDArray[np.floating], half: float = 0.0) -> Array:
    """(4,) least and largest column and row of (n, 2) pixels, outward by half of one's side."""
    return np.concatenate([pixels.min(axis=0) - half, pixels.max(axis=0) + half])


def _is_whole(mask: NDArray[np.floating]) -> bool:
    return bool((mask > 0.5).any()) and not touches_border(mask)
