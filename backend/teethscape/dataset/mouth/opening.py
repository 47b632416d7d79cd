"""The opening that lips and tools leave free, as a ring before a camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from teethscape.dataset.mouth.nets import Array, Quads
from teethscape.parametric.camera import Camera

COLUMNS = 180


@dataclass(frozen=True)
class Opening:
    """Shape of the opening in one view.

    Attributes:
        reach: half width and half height, in picture widths and heights.
        middle: its middle, in picture widths and heights from the picture's middle.
        power: exponent of the superellipse; 2 is an ellipse, larger is boxier.
        ahead: how far its middle lies in front of the nearest tooth, mm.
        sag: how far its corners lie behind that, mm.
        uneven: s.d. of its outline, share of the reach.
        seed: seed of its unevenness.
    """

    reach: tuple[float, float] = (0.50, 0.50)
    middle: tuple[float, float] = (0.0, 0.0)
    power: float = 2.7
    ahead: float = 4.0
    sag: float = 8.0
    uneven: float = 0.02
    seed: int = 0


@dataclass(frozen=True)
class Ring:
    """The opening in camera coordinates, from the right (image) over the bottom round to the right.

    Attributes:
        angle: (n,) rad, 0 at the image's right, growing downwards.
        points: (n, 3) mm.
        outward: (n, 2) unit directions in the image plane.
    """

    angle: Array
    points: Array
    outward: Array


def ring_grid(rows: int, columns: int) -> Quads:
    """(m, 4) quads of a grid of vertices whose columns close to a ring."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    return np.stack([a, b, b + columns, a + columns], -1).reshape(-1, 4).astype(np.int32)


def in_world(camera: Camera, local: Array) -> Array:
    """Camera coordinates (n, 3) in the world, mm."""
    return (local - camera.translation) @ camera.rotation + camera.pivot


def wrapped_noise(
    shape: tuple[int, int], smooth: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(rows, columns) smooth noise of unit deviation, periodic along the columns."""
    field = rng.normal(size=shape)
    for axis, (width, mode) in enumerate(zip(smooth, ("nearest", "wrap"), strict=True)):
        if width > 0.0:
            field = ndimage.gaussian_filter1d(field, width, axis=axis, mode=mode)
    return field / max(float(field.std()), 1e-9)


def ring_of(camera: Camera, style: Opening, nearest: float) -> Ring:
    """The opening of a view whose nearest tooth lies ``nearest`` mm from the camera."""
    angle = np.linspace(0.0, 2.0 * np.pi, COLUMNS, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    radius = (np.abs(cosine) ** style.power + np.abs(sine) ** style.power) ** (-1.0 / style.power)
    rng = np.random.default_rng(style.seed)
    radius = radius * (1.0 + style.uneven * wrapped_noise((1, COLUMNS), (0.0, 7.0), rng)[0])
    size = np.array([camera.width, camera.height])
    unit = np.stack([radius * cosine, radius * sine], 1)
    pixels = (0.5 + np.array(style.middle)) * size + unit * np.array(style.reach) * size
    depth = nearest - style.ahead + style.sag * cosine**2
    flat = (pixels - camera.principal) * depth[:, None] / camera.focal
    along = np.roll(flat, -1, 0) - np.roll(flat, 1, 0)
    outward = np.stack([along[:, 1], -along[:, 0]], 1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    return Ring(angle, np.column_stack([flat, depth]), outward)
