"""Colours and textures of what surrounds the teeth: skin, lips, gloves, retractors, mucosa."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.noise import FloatImage, fractal_noise, smooth_noise, streaks

Rng = np.random.Generator
Shape = tuple[int, int]


def relief(rng: Rng, height: NDArray[np.floating], colour: NDArray[np.floating], gloss: float) -> FloatImage:
    """Light a height field from near the camera: (h, w) and colour (3,) or (h, w, 3) -> linear RGB."""
    field = height.astype(np.float32)
    dx = cv2.Sobel(field, cv2.CV_32F, 1, 0, ksize=3)
    dy = cv2.Sobel(field, cv2.CV_32F, 0, 1, ksize=3)
    scale = 1.0 / np.sqrt(1 + dx**2 + dy**2)
    light = rng.normal(0, 0.35, 2)
    facing = np.clip(scale * (1 - light[0] * dx - light[1] * dy) / np.sqrt(1 + light @ light), 0, 1)
    shine = gloss * facing ** float(rng.uniform(20, 120))
    return (facing[..., None] * colour + shine[..., None]).astype(np.float32)


def blend(rng: Rng, shape: Shape, one: tuple[float, ...], two: tuple[float, ...], cells: float) -> FloatImage:
    """(h, w, 3) between two colours along a smooth field."""
    field = 0.5 + 0.3 * fractal_noise(rng, shape, cells)[..., None]
    mixed = np.asarray(one) * (1 - field) + np.asarray(two) * field
    return np.clip(mixed, 0.0, None).astype(np.float32)


def skin(rng: Rng, shape: Shape) -> FloatImage:
    """Face skin of any tone."""
    tone = rng.uniform(0.08, 0.75)
    light = np.array([tone, tone * rng.uniform(0.55, 0.75), tone * rng.uniform(0.38, 0.6)])
    colour = blend(rng, shape, tuple(light), tuple(light * 0.8), 4)
    height = 10 * smooth_noise(rng, shape, 3) + rng.uniform(0, 0.12) * fractal_noise(rng, shape, 120, 2)
    return relief(rng, height, colour, float(rng.uniform(0, 0.15)))


def lip(rng: Rng, shape: Shape) -> FloatImage:
    """Lip: red to brown, with wrinkles and wet shine."""
    red = rng.uniform(0.25, 0.7)
    base = np.array([red, red * rng.uniform(0.25, 0.5), red * rng.uniform(0.25, 0.5)])
    colour = blend(rng, shape, tuple(base), tuple(base * 0.65), 6)
    height = 6 * smooth_noise(rng, shape, 3) + rng.uniform(0.3, 1.2) * streaks(rng, shape, 60, 6)
    return relief(rng, height, colour, float(rng.uniform(0.05, 0.5)))


def glove(rng: Rng, shape: Shape) -> FloatImage:
    """Latex or nitrile over fingers: white, cream, blue, violet, green or black, with folds."""
    choices = [
        (0.8, 0.75, 0.68),
        (0.85, 0.7, 0.5),
        (0.2, 0.4, 0.8),
        (0.3, 0.25, 0.65),
        (0.3, 0.6, 0.5),
        (0.05,) * 3,
    ]
    weights = [0.42, 0.18, 0.16, 0.1, 0.08, 0.06]
    base = np.asarray(choices[int(rng.choice(len(choices), p=weights))]) * rng.uniform(0.5, 1.1)
    colour = blend(rng, shape, tuple(base), tuple(base * rng.uniform(0.6, 1.0)), 3)
    height = 14 * smooth_noise(rng, shape, 3) + rng.uniform(0, 3) * streaks(rng, shape, 14, 3)
    return relief(rng, height, colour, float(rng.uniform(0.02, 0.4)))


def plastic(rng: Rng, shape: Shape) -> FloatImage:
    """Retractor: clear, frosted, white, blue or metal."""
    base = rng.choice([0.25, 0.5, 0.8]) * np.array([1.0, rng.uniform(0.9, 1.02), rng.uniform(0.85, 1.1)])
    colour = blend(rng, shape, tuple(base), tuple(base * rng.uniform(0.5, 1.0)), 4)
    speckle = 0.12 * (rng.random(shape) > 0.96)
    height = 10 * smooth_noise(rng, shape, 3) + 2 * streaks(rng, shape, 6, 3)
    return relief(rng, height, np.clip(colour - speckle[..., None], 0, None), float(rng.uniform(0.1, 0.9)))


def dark(rng: Rng, shape: Shape) -> FloatImage:
    """Mirror rim, black frame or unlit room."""
    grey = rng.uniform(0.0, 0.15)
    return blend(rng, shape, (grey,) * 3, (grey * 2,) * 3, 4)


def mucosa(rng: Rng, shape: Shape) -> FloatImage:
    """Cheek and vestibule behind the teeth: deep red, streaked, wet, darker inwards."""
    red = rng.uniform(0.12, 0.5)
    base = np.array([red, red * rng.uniform(0.12, 0.4), red * rng.uniform(0.12, 0.4)])
    colour = blend(rng, shape, tuple(base), tuple(base * rng.uniform(0.2, 0.7)), 5)
    height = 8 * smooth_noise(rng, shape, 4) + streaks(rng, shape, 20, 4)
    return relief(rng, height, colour, float(rng.uniform(0.02, 0.35)))


OUTER: tuple[Callable[[Rng, Shape], FloatImage], ...] = (skin, glove, plastic, dark, lip)
RIM: tuple[Callable[[Rng, Shape], FloatImage], ...] = (lip, plastic, glove, skin)
