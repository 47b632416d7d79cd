"""The mouth's opening and what frames it: lips, fingers, retractors, mirror rims."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.materials import OUTER, RIM, mucosa, plastic
from teethscape.dataset.noise import FloatImage, fractal_noise, smooth_noise

Rng = np.random.Generator


@dataclass(frozen=True)
class Opening:
    """An irregular superellipse in the picture.

    Attributes:
        centre: (2,) x, y in px.
        half: (2,) half axes in px.
        exponent: 2 is an ellipse, larger is boxier.
        rim: width of the rim as a share of the half axes.
    """

    centre: NDArray[np.float64]
    half: NDArray[np.float64]
    exponent: float
    rim: float


def opening_around(teeth: NDArray[np.bool_], occlusal: bool, rng: Rng) -> Opening:
    """An opening that shows most of the teeth and sometimes hides the last ones."""
    rows, columns = np.nonzero(teeth)
    low = np.array([columns.min(), rows.min()], float)
    high = np.array([columns.max(), rows.max()], float)
    half = np.maximum((high - low) / 2, 10.0)
    factor = rng.uniform([0.98, 1.15], [1.5, 2.4]) * (1.15 if occlusal else 1.0)
    centre = (low + high) / 2 + rng.normal(0, 0.06, 2) * half
    return Opening(centre, half * factor, float(rng.uniform(1.8, 4.5)), float(rng.uniform(0.0, 0.35)))


def opening_field(opening: Opening, shape: tuple[int, int], rng: Rng) -> FloatImage:
    """(h, w): below 1 inside the opening, its contour wobbling."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    u = np.abs(x - opening.centre[0]) / opening.half[0]
    v = np.abs(y - opening.centre[1]) / opening.half[1]
    radius = (u**opening.exponent + v**opening.exponent) ** (1 / opening.exponent)
    return (radius + rng.uniform(0.01, 0.07) * fractal_noise(rng, shape, 4, 3, 0.35)).astype(np.float32)


def lay_over(under: FloatImage, over: FloatImage, mask: NDArray[np.bool_], soft: float) -> FloatImage:
    """Cover ``under`` where ``mask`` holds, with a soft edge and a shadow below it."""
    cover = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(soft, 0.4))[..., None]
    shade = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 5 * soft + 4)[..., None]
    return np.asarray(under * (1 - 0.6 * shade) * (1 - cover) + over * cover, np.float32)


def wedge(shape: tuple[int, int], rng: Rng) -> NDArray[np.bool_]:
    """A blunt tongue that reaches in from the border: retractor blade, finger, mirror edge."""
    height, width = shape
    mask = np.zeros(shape, np.uint8)
    side = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(side), np.sin(side)])
    start = np.array([width, height]) / 2 + direction * np.hypot(width, height) / 2
    aim = -direction + rng.normal(0, 0.35, 2)
    tip = start + aim / np.linalg.norm(aim) * rng.uniform(0.15, 0.45) * width
    across = np.array([-aim[1], aim[0]]) / np.linalg.norm(aim)
    base, end = rng.uniform(0.1, 0.35) * width, rng.uniform(0.01, 0.08) * width
    corners = [start + across * base, tip + across * end, tip - across * end, start - across * base]
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1)
    blur = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(end / 2, 2.0))
    return blur + 0.03 * smooth_noise(rng, shape, 6) > 0.5


def surround(
    picture: FloatImage, teeth: NDArray[np.bool_], hit: NDArray[np.bool_], occlusal: bool, rng: Rng
) -> tuple[FloatImage, NDArray[np.bool_]]:
    """Fill what no mesh covers and frame the mouth.

    Args:
        picture: (h, w, 3) linear, crowns and gums.
        teeth: (h, w) true on crowns.
        hit: (h, w) true on crowns and gums.
        occlusal: whether this is an occlusal photograph.
        rng: source of randomness.

    Returns:
        The framed picture and where the frame hides what was there.
    """
    shape = teeth.shape
    inside = mucosa(rng, shape) * np.float32(rng.uniform(0.3, 1.1))
    alpha = cv2.GaussianBlur(hit.astype(np.float32), (0, 0), 0.7)[..., None]
    out = np.asarray(picture * alpha + inside * (1 - alpha), np.float32)
    hidden: NDArray[np.bool_] = np.zeros(shape, bool)
    soft = float(rng.uniform(0.5, 3.0)) * shape[1] / 640
    if teeth.any() and rng.random() < (0.75 if occlusal else 0.9):
        opening = opening_around(teeth, occlusal, rng)
        field = opening_field(opening, shape, rng)
        rim = RIM[int(rng.integers(len(RIM)))](rng, shape)
        out = lay_over(out, rim, field > 1, soft)
        hidden = hidden | (field > 1)
        outer = OUTER[int(rng.choice(len(OUTER), p=[0.25, 0.3, 0.15, 0.15, 0.15]))](rng, shape)
        out = lay_over(out, outer, field > 1 + opening.rim, soft)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.45, 0.3, 0.25]))):
        mask = wedge(shape, rng)
        material = plastic if rng.random() < 0.6 else OUTER[int(rng.integers(len(OUTER)))]
        out = lay_over(out, material(rng, shape), mask, soft)
        hidden = hidden | mask
    return out, hidden
