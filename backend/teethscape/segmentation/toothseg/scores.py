"""How well a predicted mask agrees with the truth (numpy and OpenCV, no torch)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

#: In numerator and denominator, so that two empty masks agree (spec, section 6).
EPS = 1e-6
#: Width of the band of the boundary IoU as a share of the picture's diagonal (Cheng et al. 2021).
BAND = 0.02

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """Agreement of two masks.

    Attributes:
        dice: twice the common area over the sum of areas.
        iou: common area over joint area.
        precision: share of the prediction that is true.
        recall: share of the truth that was found.
        hd95: 95th percentile of the distances between outlines, both ways, px; NaN when one mask is empty.
        boundary_iou: IoU of the bands inside the outlines.
    """

    dice: float
    iou: float
    precision: float
    recall: float
    hd95: float
    boundary_iou: float


def score(predicted: Mask, truth: Mask) -> Scores:
    """Compare two masks (h, w)."""
    common = float((predicted & truth).sum())
    found, real = float(predicted.sum()), float(truth.sum())
    return Scores(
        dice=(2 * common + EPS) / (found + real + EPS),
        iou=(common + EPS) / (found + real - common + EPS),
        precision=(common + EPS) / (found + EPS),
        recall=(common + EPS) / (real + EPS),
        hd95=hausdorff_95(predicted, truth),
        boundary_iou=boundary_iou(predicted, truth),
    )


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Mean of each score, distances that are not defined left out."""
    names = ("dice", "iou", "precision", "recall", "hd95", "boundary_iou")
    return Scores(**{name: mean([getattr(s, name) for s in scores]) for name in names})


def mean(values: Sequence[float]) -> float:
    """Mean of the values that are numbers; NaN when there are none."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _outline(mask: Mask) -> Mask:
    """Pixels of the mask that touch something else; the picture's edge counts as outside."""
    padded = np.pad(mask.astype(np.uint8), 1)
    return mask & (cv2.erode(padded, np.ones((3, 3), np.uint8))[1:-1, 1:-1] == 0)


def hausdorff_95(one: Mask, other: Mask) -> float:
    """Larger of the two 95th percentiles of distances from outline to outline, px; 0 when both are empty."""
    if not one.any() and not other.any():
        return 0.0
    if not one.any() or not other.any():
        return math.nan
    outlines = _outline(one), _outline(other)
    away = [
        cv2.distanceTransform((~line).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for line in outlines
    ]
    return max(
        float(np.percentile(away[1][outlines[0]], 95)),
        float(np.percentile(away[0][outlines[1]], 95)),
    )


def _band(mask: Mask) -> Mask:
    """Pixels of the mask close to its outline."""
    steps = max(1, round(BAND * math.hypot(*mask.shape)))
    padded = np.pad(mask.astype(np.uint8), 1)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=steps)[1:-1, 1:-1]
    return mask & (inner == 0)


def boundary_iou(one: Mask, other: Mask) -> float:
    """IoU of the bands inside the outlines."""
    a, b = _band(one), _band(other)
    return (float((a & b).sum()) + EPS) / (float((a | b).sum()) + EPS)


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float], seed: int, draws: int = 2000) -> Interval:
    """Mean over pictures with the percentile interval of resampled pictures."""
    known = np.array([value for value in values if not math.isnan(value)])
    if not len(known):
        return Interval(math.nan, math.nan, math.nan)
    picks = np.random.default_rng(seed).integers(0, len(known), (draws, len(known)))
    low, high = np.percentile(known[picks].mean(axis=1), [2.5, 97.5])
    return Interval(float(known.mean()), float(low), float(high))
