"""Masks whose borders are speckled, as thresholds of grainy pictures leave them, are smoothed."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.surface.views import Views

#: A mask is speckled when the majority of 3 x 3 px contradicts more pixels than this share of its border.
#: Rendered masks have 0.01 to 0.03, borders that wander up to 0.04; one in five pixels turned over, 0.2.
_SPECKLED = 0.1
#: Width of the square whose majority a speckled mask follows, px.
_MAJORITY = 5
#: How far borders wander after that, standard deviation, px: three in ten pixels turned over within two of
#: the border leave about one; the few pixels that touch tangents show less than half of it.
_SMOOTHED_PX = 0.8


def despeckled(views: Views) -> tuple[Views, NDArray[np.bool_]]:
    """The views with speckled masks smoothed and this told, and (n,) which were; others stay to the pixel."""
    rough = np.array([roughness(mask) > _SPECKLED for mask in views.foreground], bool)
    if not rough.any():
        return views, rough
    masks = views.foreground.copy()
    for view in np.flatnonzero(rough):
        once = cv2.medianBlur(_binary(masks[view]), _MAJORITY)
        # A speck that is left outside would be the outermost point, by which borders are compared.
        masks[view] = cv2.medianBlur(once, _MAJORITY)
    return replace(views, foreground=masks, border_px=max(views.border_px, _SMOOTHED_PX)), rough


def roughness(mask: NDArray[np.floating]) -> float:
    """Pixels (h, w) that contradict the majority of their neighbours, as a share of the border's."""
    inside = _binary(mask)
    border = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    return float((cv2.medianBlur(inside, 3) != inside).sum() / max(border.sum(), 1))


def _binary(mask: NDArray[np.floating]) -> NDArray[np.uint8]:
    return (mask > 0.5).astype(np.uint8)
