"""Smooth random fields, the raw material of every texture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> FloatImage:
    """Random field (h, w) of unit deviation with about ``cells`` bumps along the longer side."""
    height, width = shape
    step = max(height, width) / max(cells, 1.0)
    coarse = rng.standard_normal((max(2, round(height / step) + 1), max(2, round(width / step) + 1)))
    field = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, np.float32)


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: float, octaves: int = 4, gain: float = 0.55
) -> FloatImage:
    """Sum of octaves of :func:`smooth_noise`, scaled to about unit deviation."""
    total = np.zeros(shape, np.float32)
    amplitude, power = 1.0, 0.0
    for octave in range(octaves):
        total += amplitude * smooth_noise(rng, shape, cells * 2**octave)
        power += amplitude**2
        amplitude *= gain
    return np.asarray(total / np.sqrt(power), np.float32)


def streaks(rng: np.random.Generator, shape: tuple[int, int], cells: float, stretch: float) -> FloatImage:
    """Noise drawn out along a random direction: folds, fibres, vessels."""
    height, width = shape
    size = int(np.hypot(height, width)) + 2
    squeezed = fractal_noise(rng, (size, max(int(size / stretch), 2)), cells / stretch, 3)
    field = cv2.resize(squeezed, (size, size), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), float(rng.uniform(0, 180)), 1.0)
    field = cv2.warpAffine(field, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    top, left = (size - height) // 2, (size - width) // 2
    return np.asarray(field[top : top + height, left : left + width], np.float32)
