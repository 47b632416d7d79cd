"""How well one painted view agrees with the fitted arch: outlines and normals."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from teethscape.anchor.drawn import DrawnView
from teethscape.anchor.lay import Outline
from teethscape.anchor.painted import PaintedView


@dataclass(frozen=True)
class Agreement:
    """Figures of one view.

    Attributes:
        overlap: common area of the two silhouettes, as a share of their union.
        outline_px: mean distance between the outlines, both ways; infinite where one is empty.
        outline_mm: the same at the distance of the teeth.
        normals_deg: median angle between painted and fitted normals where both show a tooth, its rim left
            out; nan where they share nothing.
    """

    overlap: float
    outline_px: float
    outline_mm: float
    normals_deg: float


def agreement_of(drawn: DrawnView, painted: PaintedView) -> Agreement:
    """Compare a view with the arch drawn into it."""
    own, theirs = drawn.silhouette, painted.foreground
    union = float((own | theirs).sum())
    overlap = float((own & theirs).sum()) / union if union else 0.0
    pixels = _outline_distance(own, theirs)
    depth = drawn.buffer.depth[own]
    pitch = float(np.median(depth)) / drawn.camera.focal if depth.size else float("inf")
    return Agreement(overlap, pixels, pixels * pitch, _normal_angle(drawn, painted))


def _outline_distance(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    """Mean distance of each outline's points to the other outline, px."""
    outlines = [Outline.of(mask) for mask in (one, two)]
    if outlines[0] is None or outlines[1] is None:
        return float("inf")
    places = [outline.contour.pixel for outline in outlines if outline is not None]
    total = 0.0
    for own, other in (places, places[::-1]):
        empty = np.ones(one.shape, bool)
        empty.ravel()[other] = False
        total += float(np.asarray(distance_transform_edt(empty)).ravel()[own].mean())
    return total / 2


def _normal_angle(drawn: DrawnView, painted: PaintedView) -> float:
    both = (drawn.silhouette & painted.foreground).astype(np.uint8)
    inner = cv2.erode(both, np.ones((3, 3), np.uint8)) > 0
    if not inner.any():
        return float("nan")
    cosine = (drawn.normals[inner] * painted.normals[inner]).sum(axis=1)
    return float(np.degrees(np.median(np.arccos(np.clip(cosine, -1, 1)))))
