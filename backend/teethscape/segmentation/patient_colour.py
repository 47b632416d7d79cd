"""Sharpen the tooth mask with the patient's own colours.

The network is sure about most pixels.  Their colours, pooled over all photos of the patient, tell
teeth from gum better than any network that never saw this patient, light and camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.segmentation.network import FloatImage

Cells = NDArray[np.intp]
_BINS = 24
_BIN = (np.arange(256) * _BINS // 256).astype(np.uint8)
#: How sure the network must be of a pixel whose colour is learnt.
_SURE = 0.92
#: Weight of the colour's log-odds beside the network's, and where they are cut off.
_WEIGHT, _CLIP = 0.35, 4.0
_REACH = 0.08  # colours of the rest are learnt this near to teeth, as a share of the longer side


@dataclass(frozen=True)
class PatientColour:
    """Log-odds of "tooth" per Lab cell, (24, 24, 24)."""

    log_odds: FloatImage


def colour_cells(pixels: NDArray[np.uint8]) -> Cells:
    """(h, w) flat Lab cell of every pixel of an RGB picture."""
    first, second, third = cv2.split(cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB), _BIN))
    return ((first.astype(np.uint16) * _BINS + second) * _BINS + third).astype(np.intp)


def _smooth(counts: NDArray[np.float64]) -> FloatImage:
    """Histogram blurred over neighbouring cells, (24, 24, 24)."""
    blur = cv2.GaussianBlur(np.eye(_BINS), (1, 7), 0.8, borderType=cv2.BORDER_REFLECT)
    cells = counts.reshape(_BINS, _BINS, _BINS)
    return np.einsum("ai,bj,ck,ijk->abc", blur, blur, blur, cells, optimize=True).astype(np.float32)


def learn_colours(pictures: Sequence[tuple[Cells, FloatImage]]) -> PatientColour:
    """Pool the colours of sure pixels over (colour cells, tooth probability) pairs of equal size each."""
    teeth, rest = np.zeros(_BINS**3), np.zeros(_BINS**3)
    for cells, chance in pictures:
        reach = _REACH * max(chance.shape)
        near = cv2.distanceTransform((chance < 0.5).astype(np.uint8), cv2.DIST_L2, 3) < reach
        teeth += np.bincount(cells[chance > _SURE], minlength=_BINS**3)
        rest += np.bincount(cells[(chance < 1 - _SURE) & near], minlength=_BINS**3)
    a, b = _smooth(teeth), _smooth(rest)
    a, b = a / max(a.sum(), 1.0), b / max(b.sum(), 1.0)
    floor = 2e-5
    return PatientColour(np.log((a + floor) / (b + floor)).astype(np.float32))


def refine(cells: Cells, chance: FloatImage, colour: PatientColour) -> FloatImage:
    """Tooth probability (h, w) after hearing the colours; sure pixels hardly move."""
    odds = np.clip(colour.log_odds.ravel()[cells], -_CLIP, _CLIP)
    odds = cv2.GaussianBlur(odds, (0, 0), 0.8)
    safe = np.clip(chance, 1e-4, 1 - 1e-4)
    logit = np.log(safe / (1 - safe)) + _WEIGHT * odds
    return (1 / (1 + np.exp(-logit))).astype(np.float32)
