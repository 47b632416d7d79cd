"""Pictures without teeth, so that the network learns to say so: landscapes, faces, pages, textures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.materials import OUTER, mucosa
from teethscape.dataset.noise import FloatImage, fractal_noise, smooth_noise

Rng = np.random.Generator
_SHAPE = (360, 480)


def _colour(rng: Rng) -> FloatImage:
    """A random colour (3,)."""
    return rng.uniform(0, 1, 3).astype(np.float32)


def _landscape(rng: Rng) -> FloatImage:
    """Sky, hills, clouds, perhaps a white wall or snow."""
    height, width = _SHAPE
    row = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky, haze = np.array([0.3, 0.5, 0.9]) * rng.uniform(0.5, 1.2), rng.uniform(0.6, 1.0, 3)
    picture = (sky * (1 - row) + haze * row) * np.ones((height, width, 1))
    clouds = np.clip(fractal_noise(rng, _SHAPE, 5, 5) * rng.uniform(0.3, 1), 0, 1)[..., None]
    picture = picture * (1 - clouds) + clouds
    level = np.arange(height)[:, None] / height
    horizon = rng.uniform(0.2, 0.6)
    for _ in range(int(rng.integers(1, 5))):
        ridge = horizon + 0.12 * smooth_noise(rng, (1, width), rng.uniform(2, 12))[0]
        ground = np.array([0.35, 0.45, 0.25]) * rng.uniform(0.2, 2.0, 3)
        texture = 1 + 0.25 * fractal_noise(rng, _SHAPE, rng.uniform(10, 80))[..., None]
        picture = np.where((level > ridge[None, :])[..., None], ground * texture, picture)
        horizon += rng.uniform(0.05, 0.25)
    return picture.astype(np.float32)


def _face(rng: Rng) -> FloatImage:
    """A closed-mouth face of ellipses on a background."""
    picture = OUTER[0](rng, _SHAPE) * 0 + _colour(rng)
    skin = OUTER[0](rng, _SHAPE)
    height, width = _SHAPE
    canvas = np.zeros(_SHAPE, np.uint8)
    centre = (int(width * rng.uniform(0.35, 0.65)), int(height * rng.uniform(0.4, 0.6)))
    half = int(height * rng.uniform(0.25, 0.7))
    cv2.ellipse(canvas, centre, (int(half * 0.75), half), float(rng.uniform(-15, 15)), 0, 360, 1, -1)
    picture = np.where(canvas[..., None] > 0, skin, picture)
    for dx, dy, a, b in (
        (-0.3, -0.2, 0.12, 0.06),
        (0.3, -0.2, 0.12, 0.06),
        (0, 0.45, 0.25, 0.08),
        (0, 0.1, 0.08, 0.15),
    ):
        spot = (int(centre[0] + dx * half), int(centre[1] + dy * half))
        colour = _colour(rng) * 0.6
        cv2.ellipse(
            picture, spot, (max(int(a * half), 2), max(int(b * half), 2)), 0, 0, 360, colour.tolist(), -1
        )
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 2), np.float32)


def _page(rng: Rng) -> FloatImage:
    """A page, form or screen: bright ground with rows of dark marks and boxes."""
    picture = np.ones((*_SHAPE, 3), np.float32) * (0.7 + 0.3 * _colour(rng))
    ink = _colour(rng) * 0.4
    y = int(rng.integers(5, 40))
    while y < _SHAPE[0] - 10:
        tall = int(rng.integers(3, 16))
        x = int(rng.integers(5, 80))
        while x < _SHAPE[1] - 20:
            wide = int(rng.integers(3, 40))
            if rng.random() < 0.8:
                cv2.rectangle(
                    picture, (x, y), (x + wide, y + tall), ink.tolist(), -1 if rng.random() < 0.8 else 1
                )
            x += wide + int(rng.integers(2, 14))
        y += tall + int(rng.integers(4, 30))
    return np.asarray(picture, np.float32)


def _objects(rng: Rng) -> FloatImage:
    """Heaps of bright rounded things: pebbles, pills, popcorn, cups; the hardest of the wrong subjects."""
    picture = OUTER[int(rng.integers(len(OUTER)))](rng, _SHAPE) * rng.uniform(0.2, 1)
    shade = 0.4 + 0.6 * _colour(rng)
    for _ in range(int(rng.integers(3, 60))):
        spot = tuple(int(v) for v in rng.uniform(0, 1, 2) * [_SHAPE[1], _SHAPE[0]])
        half = tuple(int(v) for v in rng.uniform(5, 60, 2))
        colour = np.clip(shade * rng.uniform(0.6, 1.2), 0, 1)
        cv2.ellipse(picture, spot, half, float(rng.uniform(0, 180)), 0, 360, colour.tolist(), -1)
    blur = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), float(rng.uniform(0.6, 5)))
    return np.asarray(blur * (1 + 0.15 * fractal_noise(rng, _SHAPE, 30)[..., None]), np.float32)


def _material(rng: Rng) -> FloatImage:
    """Only what surrounds teeth: skin, glove, lip, plastic, mucosa, two of them side by side."""
    makers = (*OUTER, mucosa)
    one, two = (makers[int(rng.integers(len(makers)))](rng, _SHAPE) for _ in range(2))
    return np.where((smooth_noise(rng, _SHAPE, 3) > rng.normal())[..., None], one, two)


def _texture(rng: Rng) -> FloatImage:
    """Colour noise, gradients, blocks."""
    field = fractal_noise(rng, _SHAPE, rng.uniform(1, 60), int(rng.integers(1, 5)))[..., None]
    picture = _colour(rng) * (0.5 + 0.3 * field) + _colour(rng) * (0.5 - 0.3 * field)
    for _ in range(int(rng.integers(0, 9))):
        a, b = (rng.uniform(0, 1, 2) * [_SHAPE[1], _SHAPE[0]] for _ in range(2))
        cv2.rectangle(picture, a.astype(int).tolist(), b.astype(int).tolist(), _colour(rng).tolist(), -1)
    return picture.astype(np.float32)


def draw_negative(rng: Rng) -> NDArray[np.uint8]:
    """A random (360, 480, 3) uint8 RGB picture that shows no teeth."""
    makers = (_landscape, _face, _page, _objects, _material, _texture)
    linear = np.clip(makers[int(rng.integers(len(makers)))](rng), 0, 1)
    picture = linear ** np.float32(rng.uniform(0.4, 1.0))
    picture = picture + rng.normal(0, rng.uniform(0, 0.03), picture.shape)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)
