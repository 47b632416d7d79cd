"""Find the same photo given twice, even re-encoded, resized, turned or flipped."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 96
#: Correlation of fine detail above which two pictures are one photograph.  On two
#: real cases copies (flipped, half size, JPEG 30, brighter) reach 0.92 or more,
#: different photos 0.58 at most: a buccal photo against the mirrored other side.
_SAME = 0.8
#: A row or column at the rim whose grey spans less is frame, and the side at which it is looked for, px: so
#: small that what JPEG leaves beside an edge is gone.
_PLAIN, _COARSE = 25, 200


def find_duplicates(pictures: Sequence[NDArray[np.uint8]]) -> tuple[int, int] | None:
    """Indices of the first two pictures that are the same photograph.

    Args:
        pictures: (h, w, 3) uint8 RGB images of any sizes.
    """
    prints = [_fingerprint(picture) for picture in pictures]
    for first, second in combinations(range(len(prints)), 2):
        if similarity(prints[first], prints[second]) > _SAME:
            return first, second
    return None


def similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Best correlation of two fingerprints over the eight ways to turn and flip."""
    turned = (np.rot90(side, turns) for side in (second, second[:, ::-1]) for turns in range(4))
    return max(float((first * other).sum()) for other in turned)


def _fingerprint(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Fine detail of a picture on a square grid, with unit norm."""
    grey = _unframed(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8))
    height, width = grey.shape
    inner = grey[height // 12 : -(height // 12), width // 12 : -(width // 12)]  # without remains of bars
    small = cv2.resize(inner, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = cv2.GaussianBlur(small, (0, 0), 1.0) - cv2.GaussianBlur(small, (0, 0), 5.0)
    # A frame or a date stamp common to all photos must not outweigh the teeth.
    strength = np.sqrt(cv2.GaussianBlur(detail**2, (0, 0), 5.0))
    detail = np.clip(detail / (strength + 2.0), -2.0, 2.0)
    return (detail / max(float(np.linalg.norm(detail)), 1e-6)).astype(np.float32)


def _unframed(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture (h, w) without the plain frame of an exported slide, whose edges all photos would share."""
    coarse = cv2.resize(grey, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    spans = [np.flatnonzero(np.ptp(coarse, axis=axis) > _PLAIN) for axis in (1, 0)]
    if any(len(span) < _COARSE // 4 for span in spans):
        return grey
    ends = [(span[0] / _COARSE, (span[-1] + 1) / _COARSE) for span in spans]
    rows, columns = (
        slice(int(low * size), int(high * size)) for (low, high), size in zip(ends, grey.shape, strict=True)
    )
    return grey[rows, columns]
