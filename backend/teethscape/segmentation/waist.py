"""Instances of an occlusal photo that cover two neighbouring teeth, parted at their waist.

People and networks now and then draw two teeth as one.  In an occlusal photo such an
instance is much larger than the others and has a notch on both sides, where the teeth
touch; single crowns, however worn their outline, do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

#: Least area of two teeth drawn as one, in units of the median.
_LARGE = 1.5
#: Least depth of both notches, and greatest width of the waist, in units of the smaller part's width.
_DEEP, _NARROW = 0.08, 1.1
#: Least share of the area that either tooth has.
_SMALLEST_PART = 0.2


@dataclass(frozen=True)
class Parted:
    """Label image whose large waisted instances are parted.

    Attributes:
        labels: (h, w) ids; new ones follow the greatest given one.
        origin: given id of each new one.
    """

    labels: NDArray[np.int32]
    origin: dict[int, int]


@dataclass(frozen=True)
class _Cut:
    """A cut between two notches: (2, 2) px; width of the waist in units of the smaller part's."""

    ends: NDArray[np.floating]
    width: float


def parted(labels: NDArray[np.int32]) -> Parted:
    """Part the instances of an occlusal photo that cover two teeth.

    Args:
        labels: (h, w) instance ids, 0 = none.
    """
    values, areas = np.unique(labels[labels > 0], return_counts=True)
    out, origin = labels.copy(), {}
    for value, area in zip(map(int, values), areas, strict=True):
        if area < _LARGE * np.median(areas):
            continue
        mask = (labels == value).astype(np.uint8)
        cut = min(_cuts(mask), key=lambda c: c.width, default=None)
        if cut is not None:
            new = int(labels.max()) + len(origin) + 1
            out[_smaller_side(mask, cut)] = new
            origin[new] = value
    return Parted(out, origin)


def _cuts(mask: NDArray[np.uint8]) -> Iterator[_Cut]:
    """Cuts that part an instance at a waist."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea)
    area = cv2.contourArea(contour)
    for a, b in combinations(sorted(_notches(contour, _DEEP * np.sqrt(area))), 2):
        parts = contour[a : b + 1], np.concatenate([contour[b:], contour[: a + 1]])
        smaller = min(cv2.contourArea(part) for part in parts)
        ends = contour[[a, b], 0].astype(float)
        width = float(np.linalg.norm(ends[0] - ends[1])) / np.sqrt(max(smaller, 1.0))
        if smaller >= _SMALLEST_PART * area and width <= _NARROW:
            yield _Cut(ends, width)


def _notches(contour: cv2.typing.MatLike, depth: float) -> list[int]:
    """Points of a contour that lie at least ``depth`` px inside its convex hull."""
    hull = cv2.convexHull(contour, returnPoints=False)
    defects = cv2.convexityDefects(contour, np.sort(hull, axis=0))
    if defects is None:
        return []
    return [int(far) for _, _, far, deep in defects.reshape(-1, 4) if deep / 256.0 >= depth]


def _smaller_side(mask: NDArray[np.uint8], cut: _Cut) -> NDArray[np.bool_]:
    """(h, w) the smaller part of an instance beside a cut."""
    y, x = np.nonzero(mask)
    along = cut.ends[1] - cut.ends[0]
    side = along[0] * (y - cut.ends[0, 1]) - along[1] * (x - cut.ends[0, 0]) > 0
    if 2 * side.sum() > len(side):
        side = ~side
    out = np.zeros(mask.shape, bool)
    out[y[side], x[side]] = True
    return out
