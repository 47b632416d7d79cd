"""Retractors and gloved fingers that keep a mouth open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from teethscape.dataset.mouth.nets import Array, Quads
from teethscape.dataset.mouth.opening import Ring, in_world, ring_grid, wrapped_noise
from teethscape.parametric.camera import Camera

_AROUND = 20
_ALONG = 72


@dataclass(frozen=True)
class Band:
    """A retractor's arm: a flat band along a part of the opening.

    Attributes:
        angle: where its middle lies on the ring, rad from the image's right over the bottom.
        half: half angle that it spans, rad.
        width: width of the band, mm.
        thick: its thickness, mm.
        tilt: angle between its width and the image plane, rad.
        ahead: how far it lies before the ring, mm.
        flare: how far its ends turn away from the opening, mm.
    """

    angle: float
    half: float
    width: float = 8.0
    thick: float = 1.8
    tilt: float = 0.7
    ahead: float = 1.5
    flare: float = 6.0


@dataclass(frozen=True)
class Finger:
    """A gloved finger that reaches over the lip.

    Attributes:
        angle: where its tip lies on the ring, rad from the image's right over the bottom.
        lean: angle between the finger and the outward direction, rad.
        radius: of the finger, mm.
        length: mm.
        ahead: how far its axis lies before the ring, mm.
        into: how far its tip reaches into the opening, mm.
        slide: how far its tip is pushed on beyond that place along the finger, mm.
        wrinkles: depth of the glove's folds, mm.
        seed: seed of the folds.
    """

    angle: float
    lean: float = 0.3
    radius: float = 9.0
    length: float = 60.0
    ahead: float = 5.0
    into: float = 2.0
    slide: float = 0.0
    wrinkles: float = 0.8
    seed: int = 0


def _tube(path: Array, wide: Array, high: Array) -> tuple[Array, Quads]:
    """A closed tube: path (n, 3), half axes (n, 3) each; vertices (n * _AROUND, 3) and quads."""
    turn = np.linspace(0.0, 2.0 * np.pi, _AROUND, endpoint=False)
    cosine, sine = np.cos(turn)[None, :, None], np.sin(turn)[None, :, None]
    rows = path[:, None] + wide[:, None] * np.sign(cosine) * np.abs(cosine) ** 0.7 + high[:, None] * sine
    return rows.reshape(-1, 3), ring_grid(len(path), _AROUND)


def _on_ring(ring: Ring, angle: Array) -> tuple[Array, Array]:
    """Points (n, 3) and outward directions (n, 3) of the ring at angles (n,)."""
    points = [np.interp(angle, ring.angle, ring.points[:, k], period=2.0 * np.pi) for k in range(3)]
    outward = [np.interp(angle, ring.angle, ring.outward[:, k], period=2.0 * np.pi) for k in range(2)]
    flat = np.stack([*outward, np.zeros(len(angle))], 1)
    return np.stack(points, 1), flat / np.linalg.norm(flat, axis=1, keepdims=True)


def band(camera: Camera, ring: Ring, style: Band) -> tuple[Array, Quads]:
    """A retractor's arm: vertices (n, 3) world mm and quads (m, 4)."""
    share = np.linspace(-1.0, 1.0, _ALONG)
    path, outward = _on_ring(ring, style.angle + style.half * share)
    path = ndimage.gaussian_filter1d(path, 4.0, axis=0, mode="nearest")
    outward = ndimage.gaussian_filter1d(outward, 4.0, axis=0, mode="nearest")
    ends = np.clip((np.abs(share) - 0.55) / 0.45, 0.0, 1.0)[:, None] ** 2
    camera_way = np.array([0.0, 0.0, -1.0])
    path = path + (style.flare * ends) * (outward + 0.3 * camera_way) + style.ahead * camera_way
    taper = np.sqrt(np.clip((1.0 - np.abs(share)) / 0.06, 1e-3, 1.0))[:, None]
    across = np.cos(style.tilt) * outward + np.sin(style.tilt) * camera_way
    through = np.cos(style.tilt) * camera_way - np.sin(style.tilt) * outward
    vertices, faces = _tube(path, 0.5 * style.width * taper * across, 0.5 * style.thick * taper * through)
    return in_world(camera, vertices), faces


def _folds(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """(rows, columns) creases of a glove, mostly across the finger; about -1 ... 1."""
    warp = wrapped_noise(shape, (5.0, 2.5), rng)
    row = np.arange(shape[0])[:, None] / 3.2
    ridge = 1.0 - np.abs(np.sin(row + 1.9 * warp)) ** 0.7
    gate = np.clip(0.4 + 0.8 * wrapped_noise(shape, (7.0, 3.0), rng), 0.0, 1.5)
    return ridge * gate + 0.5 * wrapped_noise(shape, (4.0, 2.0), rng)


def finger(camera: Camera, ring: Ring, style: Finger) -> tuple[Array, Quads]:
    """A gloved finger: vertices (n, 3) world mm and quads (m, 4)."""
    start, outward = _on_ring(ring, np.array([style.angle]))
    aside = np.array([-outward[0, 1], outward[0, 0], 0.0])
    axis = np.cos(style.lean) * outward[0] + np.sin(style.lean) * aside + np.array([0.0, 0.0, -0.15])
    axis /= np.linalg.norm(axis)
    across = np.cross(axis, np.array([0.0, 0.0, 1.0]))
    across /= np.linalg.norm(across)
    up = np.cross(axis, across)
    far = np.linspace(0.0, 1.0, _ALONG) ** 1.4 * style.length
    tip = start[0] - style.into * outward[0] - np.array([0.0, 0.0, style.ahead]) - style.slide * axis
    round_tip = np.sqrt(1.0 - np.clip(1.0 - far / (1.1 * style.radius), 0.0, 1.0) ** 2)
    joint = 1.0 + 0.06 * np.sin(far / 9.0) + 0.10 * far / style.length
    radius = style.radius * np.maximum(round_tip, 0.02) * joint
    rng = np.random.default_rng(style.seed)
    turn = np.linspace(0.0, 2.0 * np.pi, _AROUND * 2, endpoint=False)
    radius = radius[:, None] + style.wrinkles * round_tip[:, None] * _folds((_ALONG, len(turn)), rng)
    spokes = np.cos(turn)[:, None] * across + 0.85 * np.sin(turn)[:, None] * up
    rows = (tip + far[:, None] * axis)[:, None] + radius[..., None] * spokes[None]
    return in_world(camera, rows.reshape(-1, 3)), ring_grid(_ALONG, len(turn))
