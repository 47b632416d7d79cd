"""Random crops and looks of training photographs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.noise import fractal_noise, smooth_noise
from teethscape.dental.views import View
from teethscape.segmentation.train_photos import NO_GUM, NO_VIEW, TrainingPhoto

Rng = np.random.Generator
#: Height and width of a training crop in px.
CROP = (288, 384)
_GRID = np.meshgrid(
    np.arange(CROP[1], dtype=np.float32) - CROP[1] / 2, np.arange(CROP[0], dtype=np.float32) - CROP[0] / 2
)
_MIRRORED_VIEW = {View.LEFT_BUCCAL: View.RIGHT_BUCCAL, View.RIGHT_BUCCAL: View.LEFT_BUCCAL}


@dataclass(frozen=True)
class Placement:
    """How a crop lies in a photo.

    Attributes:
        long_side: length in px of the photo's longer side at the crop's scale.
        turned: upside down.
        flipped: mirrored left to right.
    """

    long_side: float
    turned: bool
    flipped: bool

    @property
    def whole(self) -> bool:
        """Whether the crop shows enough of the photo to tell its view."""
        return self.long_side < 520


def random_placement(rng: Rng) -> Placement:
    """Scales about 480 px, some upside down."""
    long_side = 480 * float(np.exp(rng.uniform(np.log(0.7), np.log(1.75))))
    return Placement(long_side, bool(rng.random() < 0.12), bool(rng.random() < 0.5))


def _backward_map(photo: TrainingPhoto, place: Placement, rng: Rng) -> tuple[NDArray, NDArray]:
    """For each crop pixel the photo's x and y: scale, turn, shear, perspective, elastic."""
    height, width = photo.teeth.shape
    factor = max(height, width) / place.long_side
    angle = np.deg2rad(rng.normal(0, 7)) + np.pi * place.turned
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, rng.normal(0, 0.06)], [rng.normal(0, 0.04), np.exp(rng.normal(0, 0.09))]])
    matrix = turn @ shear * factor * np.array([[-1.0 if place.flipped else 1.0], [1.0]]).T
    x, y = _GRID
    lean = (rng.normal(0, 0.06, 2) / CROP[::-1]).astype(np.float32)
    tilt = 1 + lean[0] * x + lean[1] * y
    amount = np.float32(rng.choice([0.0, 2.0, 4.0]))
    x = x / tilt + amount * smooth_noise(rng, CROP, 5)
    y = y / tilt + amount * smooth_noise(rng, CROP, 5)
    slack = np.maximum(np.array([width, height]) - np.array(CROP[::-1]) * factor, 0) / 2
    centre = np.array([width, height]) / 2 + rng.uniform(-1, 1, 2) * slack + rng.normal(0, 0.03, 2) * width
    matrix, centre = matrix.astype(np.float32), centre.astype(np.float32)
    map_x = matrix[0, 0] * x + matrix[0, 1] * y + centre[0]
    map_y = matrix[1, 0] * x + matrix[1, 1] * y + centre[1]
    return map_x.astype(np.float32), map_y.astype(np.float32)


def crop_photo(photo: TrainingPhoto, place: Placement, rng: Rng) -> TrainingPhoto:
    """Cut a crop; FDI numbers keep their kind and jaw, a mirrored buccal view changes side."""
    maps = _backward_map(photo, place, rng)
    factor = max(photo.teeth.shape) / place.long_side
    pixels = photo.pixels
    if factor > 1.3:  # avoid aliasing
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.35 * factor)
    border = [int(v) for v in rng.choice([0, 0, 128, 255]) * np.ones(3)]
    cropped = cv2.remap(pixels, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=border)
    teeth = cv2.remap(photo.teeth, *maps, cv2.INTER_NEAREST)
    gum = cv2.remap(photo.gum, *maps, cv2.INTER_NEAREST)
    ignore = cv2.remap(photo.ignore.astype(np.uint8), *maps, cv2.INTER_NEAREST) > 0
    view = photo.view
    if place.flipped and view != NO_VIEW:
        view = int(_MIRRORED_VIEW.get(View(view), View(view)))
    return TrainingPhoto(cropped.astype(np.uint8), teeth.astype(np.uint8), gum.astype(np.uint8), ignore, view)


def _colour_matrix(strength: float, rng: Rng) -> NDArray[np.float32]:
    """(3, 3) random gain per channel followed by random saturation."""
    gain = np.exp(rng.normal(0, 0.16 * strength, 3) + rng.normal(0, 0.25 * strength))
    saturation = np.exp(rng.normal(0, 0.3 * strength))
    mix = saturation * np.eye(3) + (1 - saturation) / 3
    return (mix * gain).astype(np.float32)


def _shift_colour(pixels: NDArray[np.uint8], strength: float, rng: Rng) -> NDArray[np.float32]:
    """Random gamma, gain per channel and saturation; (h, w, 3) in about [0, 1]."""
    table = (np.arange(256) / 255) ** np.exp(rng.normal(0, 0.25 * strength))
    shifted = cv2.transform(cv2.LUT(pixels, table.astype(np.float32)), _colour_matrix(strength, rng))
    return np.asarray(shifted, np.float32)


def _recolour(image: NDArray[np.uint8], teeth: NDArray[np.uint8], rng: Rng) -> NDArray[np.float32]:
    """Teeth and rest recoloured apart, and each tooth a little of its own."""
    soft = cv2.GaussianBlur((teeth > 0).astype(np.float32), (0, 0), float(rng.uniform(0.6, 1.6)))[..., None]
    rest = _shift_colour(image, float(rng.uniform(0.2, 1.1)), rng)
    crowns = _shift_colour(image, float(rng.uniform(0.1, 0.7)), rng)
    shades = np.ones((256, 3), np.float32)
    shades[1:] += rng.normal(0, rng.uniform(0, 0.07), (255, 1)).astype(np.float32)
    shades[1:] += rng.normal(0, 0.02, (255, 3)).astype(np.float32)
    tinted = crowns * cv2.GaussianBlur(shades[teeth], (0, 0), 0.8)
    return np.asarray(rest * (1 - soft) + tinted * soft, np.float32)


def _shade_inside(image: NDArray[np.float32], teeth: NDArray[np.uint8], rng: Rng) -> NDArray[np.float32]:
    """Edges that are none: one side of a line through a tooth darker, sometimes with a dark or bright line.

    Incisal edges, cusps and fissures look like this and must not cut a tooth in two.
    """
    out = image.copy()
    for tooth in np.unique(teeth[teeth > 0]):
        if rng.random() > 0.4:
            continue
        rows, columns = np.nonzero(teeth == tooth)
        angle = rng.uniform(0, 2 * np.pi)
        along = (columns - columns.mean()) * np.cos(angle) + (rows - rows.mean()) * np.sin(angle)
        across = (rows - rows.mean()) * np.cos(angle) - (columns - columns.mean()) * np.sin(angle)
        spread = max(float(along.std()), 1.0)
        level = along - rng.normal(0, 0.5) * spread - rng.normal(0, 0.3) * across**2 / (4 * spread)
        step = 1 / (1 + np.exp(-np.clip(level / rng.uniform(0.4, 4.0), -30, 30)))
        gain = np.exp(rng.normal(0, 0.3) * step)
        if rng.random() < 0.5:
            gain = gain * (1 + rng.uniform(-0.6, 0.3) * np.exp(-((level / rng.uniform(0.5, 1.5)) ** 2)))
        out[rows, columns] *= gain[:, None].astype(np.float32)
    return out


def _light(image: NDArray[np.float32], rng: Rng) -> NDArray[np.float32]:
    """Uneven light, its colour, and shiny spots."""
    field = np.exp(np.float32(rng.uniform(0, 0.3)) * smooth_noise(rng, CROP, rng.uniform(1, 4)))[..., None]
    out = cv2.transform(image * field, _colour_matrix(float(rng.uniform(0.1, 0.8)), rng))
    if rng.random() < 0.35:
        spots = np.clip(fractal_noise(rng, CROP, rng.uniform(8, 50), 2) - rng.uniform(1.5, 2.8), 0, 0.5) * 2
        out = out + spots[..., None] * np.float32(rng.uniform(0.3, 1.0))
    return np.asarray(out, np.float32)


def _optics(image: NDArray[np.floating], rng: Rng) -> NDArray[np.float32]:
    """Blur or sharpening, low resolution, noise."""
    draw = rng.random()
    if draw < 0.35:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.6))), np.float32)
    elif draw < 0.55:
        image = image + np.float32(rng.uniform(0.3, 1.2)) * (image - cv2.GaussianBlur(image, (0, 0), 1.2))
    elif draw < 0.63:
        small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, CROP[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    grain = rng.normal(0, rng.uniform(0, 0.03), (*CROP, 1))
    return np.asarray(image + grain, np.float32)


def _cut_out(photo: TrainingPhoto, rng: Rng) -> TrainingPhoto:
    """Cover up to three boxes or discs with flat colour; what they hide is neither tooth nor gum."""
    pixels, teeth, gum = photo.pixels.copy(), photo.teeth.copy(), photo.gum.copy()
    for _ in range(int(rng.integers(1, 4))):
        spot = tuple(int(v) for v in rng.uniform(0, 1, 2) * CROP[::-1])
        half = [int(v) for v in rng.uniform(6, 45, 2)]
        colour = [int(v) for v in rng.uniform(0, 255, 3)]
        for image, value in ((pixels, colour), (teeth, 0), (gum, NO_GUM)):
            cv2.ellipse(image, spot, half, float(rng.uniform(0, 1)), 0, 360, value, -1)
    return replace(photo, pixels=pixels, teeth=teeth, gum=gum)


def augment(photo: TrainingPhoto, place: Placement, rng: Rng) -> TrainingPhoto:
    """A random crop with a random look."""
    crop = crop_photo(photo, place, rng)
    if rng.random() < 0.2:
        crop = _cut_out(crop, rng)
    if rng.random() < 0.85:
        image = _recolour(crop.pixels, crop.teeth, rng)
    else:
        image = np.asarray(crop.pixels / 255, np.float32)
    if rng.random() < 0.5:
        image = _shade_inside(image, crop.teeth, rng)
    image = _optics(_light(image, rng), rng)
    if rng.random() < 0.04:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    return replace(crop, pixels=(np.clip(image, 0, 1) * 255).astype(np.uint8))
