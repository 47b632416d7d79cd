"""Cheeks and lips: one surface from the fold between gum and lip to the skin round the mouth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from teethscape.dataset.mouth.fields import ArchLine
from teethscape.dataset.mouth.nets import Array, Quads
from teethscape.dataset.mouth.opening import COLUMNS, Ring, in_world, ring_grid, wrapped_noise
from teethscape.parametric.camera import Camera

_ROWS = 22
_FILL = 12
#: Half angle (rad) of the ring that the cheek between upper and lower fold takes.
_CORNER = 0.35


@dataclass(frozen=True)
class LipStyle:
    """Shape of the lips, mm.

    Attributes:
        roll: thickness of the lip at the ring.
        pouch: how far the lining bulges behind the lip.
        rough: depth of its folds.
        seed: seed of its unevenness.
    """

    roll: float = 3.2
    pouch: float = 6.0
    rough: float = 0.9
    seed: int = 0


@dataclass(frozen=True)
class Lining:
    """The surface with what each vertex is.

    Attributes:
        vertices: (n, 3) world mm.
        faces: (m, 4).
        way: (n,) 0 at the fold, 1 at the lip's edge, 2 where the lip's red ends, 3 on the skin.
        wrinkle: (n,) depth of the lip's wrinkles there, of unit deviation.
    """

    vertices: Array
    faces: Quads
    way: Array
    wrinkle: Array


def fold_curve(line: ArchLine, fold: float) -> Array:
    """(n, 3) the vestibular fold of a jaw from right to left, mm."""
    beyond = line.points[:, 1] < max(line.last) + 7.0
    points = line.points[beyond]
    along = np.gradient(points[:, :2], axis=0)
    outward = np.stack([-along[:, 1], along[:, 0]], 1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    if outward[len(outward) // 2, 1] > 0.0:  # the front of the arch faces -y
        outward = -outward
    out = points.copy()
    out[:, :2] += 5.0 * outward
    out[:, 2] += line.apical * (fold + 1.4)
    return out


def _seen(curve: Array) -> Array:
    """The part (n, 3) of a fold in camera coordinates that no other part hides, from image left to right."""
    across = curve[:, 0] / curve[:, 2]
    first, last = sorted((int(np.argmin(across)), int(np.argmax(across))))
    part = curve[first : last + 1]
    return part if part[0, 0] / part[0, 2] < part[-1, 0] / part[-1, 2] else part[::-1]


def _bridge(a: Array, b: Array, back: float) -> Array:
    """(_FILL, 3) arc from a to b that bends away from the camera by ``back`` mm."""
    t = np.linspace(0.0, 1.0, _FILL)[:, None]
    return a * (1.0 - t) + b * t + 4.0 * t * (1.0 - t) * np.array([0.0, 0.0, back])


def _spread(points: Array, first: float, last: float) -> tuple[Array, Array]:
    """Angles from ``first`` to ``last`` for points (n, 3), by their distance along the image."""
    steps = np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    return first + (last - first) * length / max(length[-1], 1e-6), points


def bite_loop(camera: Camera, upper: Array, lower: Array, angle: Array) -> Array:
    """(n, 3) inner end of the lining at ring angles (n,), camera mm, of a photo of closed teeth.

    Args:
        camera: the photo's camera.
        upper: (u, 3) upper fold, world mm.
        lower: (l, 3) lower fold, world mm.
        angle: ring angles, 0 ... 2 pi from the image's right over the bottom.
    """
    top, bottom = _seen(camera.to_camera(upper)), _seen(camera.to_camera(lower))
    parts = [
        _spread(_bridge(top[-1], bottom[-1], 10.0), -_CORNER, _CORNER),
        _spread(bottom[::-1], _CORNER, np.pi - _CORNER),
        _spread(_bridge(bottom[0], top[0], 10.0), np.pi - _CORNER, np.pi + _CORNER),
        _spread(top, np.pi + _CORNER, 2.0 * np.pi - _CORNER),
    ]
    return _at_angles(parts, angle)


def occlusal_loop(camera: Camera, fold: Array, throat: Array, ring: Ring) -> Array:
    """(n, 3) inner end of the lining, camera mm, of a photo of one jaw.

    Args:
        camera: the photo's camera.
        fold: (f, 3) fold of the jaw from right to left, world mm.
        throat: (3,) a point behind the last teeth, world mm.
        ring: the opening.
    """
    curve = camera.to_camera(fold)
    far = camera.to_camera(throat[None])[0]
    t = np.linspace(0.0, 1.0, _FILL)[1:-1, None]
    back = np.vstack([curve[-1] * (1 - t) + far * t, far * (1 - t) + curve[0] * t])
    points = np.vstack([curve, back])
    middle = ring.points.mean(axis=0)
    seen = points[:, :2] * (middle[2] / points[:, 2:]) - middle[:2]
    return _at_angles([(np.mod(np.arctan2(seen[:, 1], seen[:, 0]), 2.0 * np.pi), points)], ring.angle)


def _at_angles(parts: Sequence[tuple[Array, Array]], angle: Array) -> Array:
    """Points at ring angles from pieces of (angles, points)."""
    known = np.mod(np.concatenate([a for a, _ in parts]), 2.0 * np.pi)
    points = np.vstack([p for _, p in parts])
    order = np.argsort(known, kind="stable")
    columns = [np.interp(angle, known[order], points[order, k], period=2.0 * np.pi) for k in range(3)]
    return np.stack(columns, 1)


def _lip_profile(style: LipStyle) -> Array:
    """(k, 3) outwards and towards the camera in mm, and the way value, from the lip's edge to the skin."""
    r = style.roll
    return np.array(
        [
            (-0.1 * r, -0.5 * r, 1.1),
            (0.0, 0.1 * r, 1.3),
            (0.35 * r, 0.6 * r, 1.5),
            (0.9 * r, 0.85 * r, 1.7),
            (1.6 * r, 0.8 * r, 1.9),
            (2.3 * r, 0.55 * r, 2.2),
            (3.4 * r, 0.5 * r, 2.6),
            (6.0 * r, 0.3 * r, 3.0),
            (14.0 * r, -1.6 * r, 3.0),
        ]
    )


def lining(camera: Camera, ring: Ring, inner: Array, style: LipStyle) -> Lining:
    """Cheeks and lips between an inner loop (n, 3) in camera mm and the opening."""
    rng = np.random.default_rng(style.seed)
    t = np.linspace(0.0, 1.0, _ROWS)[:, None, None]
    aside = np.column_stack([ring.outward, np.zeros(len(ring.angle))])
    deep = np.array([0.0, 0.0, 1.0])
    leave = inner + 0.5 * style.pouch * aside - 0.25 * (inner - ring.points) * deep
    arrive = ring.points + style.pouch * deep + 0.35 * style.pouch * aside
    curve = (1 - t) ** 3 * inner + 3 * t * (1 - t) ** 2 * leave
    curve = curve + 3 * t**2 * (1 - t) * arrive + t**3 * ring.points
    profile = _lip_profile(style)[:, None, :]
    outside = ring.points + profile[..., :1] * aside - profile[..., 1:2] * deep
    rows = np.concatenate([curve[:-1], outside])
    fold = wrapped_noise(rows.shape[:2], (3.5, 2.2), rng) + 0.5 * wrapped_noise(
        rows.shape[:2], (1.2, 5.0), rng
    )
    strength = np.concatenate([np.linspace(0.2, 1.0, _ROWS - 1), np.linspace(0.5, 0.3, len(profile))])
    move = style.rough * strength[:, None] * fold
    wrinkle = wrapped_noise(rows.shape[:2], (2.5, 0.9), rng)
    way = np.concatenate([np.linspace(0.0, 1.0, _ROWS)[:-1], profile[:, 0, 2]])
    red = np.exp(-(((way - 1.5) / 0.4) ** 2))[:, None]
    move = move + 0.3 * red * wrinkle
    rows = rows + move[..., None] * (0.6 * aside - 0.8 * deep)
    vertices = in_world(camera, rows.reshape(-1, 3))
    return Lining(vertices, ring_grid(len(rows), COLUMNS), np.repeat(way, COLUMNS), wrinkle.ravel())
