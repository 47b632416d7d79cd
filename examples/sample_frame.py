"""Lips, retractor and cheeks that frame an intra-oral photograph, built in front of its camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sample_surface import Array, Quads
from scipy.ndimage import gaussian_filter

from teethscape.parametric.camera import Camera


@dataclass(frozen=True)
class FrameStyle:
    """The opening that the retractor keeps free.

    Attributes:
        reach: half width and half height of the opening, in picture widths and heights.
        middle: its middle, in picture widths and heights from the picture's middle.
        ahead: how far it lies in front of the nearest tooth, mm.
        retractor: half angle (rad) of the retractor's arms to the left and right; 0 without.
        closing: how fast the cheeks close above and below, share of the height at full depth.
        seed: seed of its unevenness.
    """

    reach: tuple[float, float] = (0.50, 0.50)
    middle: tuple[float, float] = (0.0, 0.0)
    ahead: float = 8.0
    retractor: float = 0.9
    closing: float = 0.75
    seed: int = 0


def _grid(rows: int, columns: int) -> Quads:
    """Quads of a grid of vertices whose columns close to a ring."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    return np.stack([a, b, b + columns, a + columns], -1).reshape(-1, 4).astype(np.int32)


def _opening(camera: Camera, style: FrameStyle, depth: float, count: int) -> tuple[Array, Array]:
    """Ring (count, 2) of the opening in camera mm, and its outward directions (count, 2)."""
    angle = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    power = 2.0 / 2.7
    unit = np.stack([np.sign(f) * np.abs(f) ** power for f in (np.cos(angle), np.sin(angle))], 1)
    size = np.array([camera.width, camera.height])
    pixels = (np.array([0.5, 0.5]) + style.middle) * size + unit * np.array(style.reach) * size
    ring = (pixels - camera.principal) * depth / camera.focal
    along = np.roll(ring, -1, 0) - np.roll(ring, 1, 0)
    outward = np.stack([along[:, 1], -along[:, 0]], 1)
    return ring, outward / np.linalg.norm(outward, axis=1, keepdims=True)


def _world(camera: Camera, local: Array) -> Array:
    """Camera coordinates (n, 3) in the world, mm."""
    return (local - camera.translation) @ camera.rotation + camera.pivot


def _rough(shape: tuple[int, int], amount: float, seed: int) -> Array:
    """Smooth unevenness (rows, columns), mm; periodic along the columns."""
    field = np.random.default_rng(seed).normal(size=shape)
    field = gaussian_filter(field, (2.0, 4.0), mode=("nearest", "wrap"))
    return amount * field / field.std()


def _tube(ring: Array, outward: Array, depth: float, radius: Array) -> Array:
    """(16 * n, 3) camera points of a tube round the ring; ``radius`` (16, n) mm."""
    turn = np.linspace(0.0, 2.0 * np.pi, 16)[:, None, None]
    flat = ring[None] + outward[None] * (radius[..., None] * (1.0 + np.cos(turn)))
    height = depth + radius * np.sin(turn)[..., 0]
    return np.concatenate([flat, height[..., None]], -1).reshape(-1, 3)


def lips(camera: Camera, style: FrameStyle, nearest: float) -> tuple[Array, Quads]:
    """Stretched lips and the skin round them."""
    depth = nearest - style.ahead
    ring, outward = _opening(camera, style, depth, 160)
    profile = np.array(  # (outwards, towards the camera) mm
        [
            (0.0, -14.0),
            (-0.6, -6.0),
            (0.0, -2.0),
            (1.5, 0.8),
            (4.0, 2.4),
            (7.0, 2.6),
            (10.0, 1.2),
            (13.0, 0.8),
            (40.0, -3.0),
        ]
    )
    rough = _rough((len(profile), 160), 0.35, style.seed)
    flat = ring[None] + outward[None] * (profile[:, None, :1] + rough[..., None])
    height = depth - profile[:, 1][:, None] + rough
    local = np.concatenate([flat, height[..., None]], -1).reshape(-1, 3)
    return _world(camera, local), _grid(len(profile), 160)


def cheeks(camera: Camera, style: FrameStyle, nearest: float) -> tuple[Array, Quads]:
    """The funnel of mucosa from the lips to the back of the mouth."""
    depth = nearest - style.ahead
    ring, _ = _opening(camera, style, depth, 160)
    steps = np.linspace(0.0, 1.0, 24)
    # Size as seen in the picture: nearly straight aside, where the last teeth are, closing above and below.
    aside = 0.97 - 0.06 * steps - 0.9 * np.clip(steps - 0.75, 0.0, 1.0)
    over = 0.95 - style.closing * steps
    seen = np.stack([aside, np.maximum(over, 0.25)], 1)[:, None, :]
    flat = ring[None] * seen * (1.0 + 75.0 * steps[:, None, None] / depth)
    rough = _rough((24, 160), 1.0, style.seed + 1)
    flat = flat * (1.0 + rough[..., None] / 40.0)
    height = np.broadcast_to((depth + 4.0 + 75.0 * steps)[:, None], (24, 160)) + 0.5 * rough
    local = np.concatenate([flat, height[..., None]], -1).reshape(-1, 3)
    return _world(camera, local), _grid(24, 160)


def retractor(camera: Camera, style: FrameStyle, nearest: float) -> tuple[Array, Quads] | None:
    """Two plastic arms that hold the cheeks, or None."""
    if style.retractor <= 0.0:
        return None
    depth = nearest - style.ahead
    ring, outward = _opening(camera, style, depth, 240)
    angle = np.linspace(0.0, 2.0 * np.pi, 240, endpoint=False)
    aside = np.abs(np.arctan2(np.sin(angle), np.abs(np.cos(angle))))
    thick = 2.6 * np.clip((style.retractor - aside) / 0.12, 0.01, 1.0) ** 0.5
    local = _tube(ring, outward, depth - 1.5, np.broadcast_to(thick, (16, 240)))
    faces = _grid(16, 240)
    return _world(camera, local), faces[(aside[faces % 240] < style.retractor).all(axis=1)]
