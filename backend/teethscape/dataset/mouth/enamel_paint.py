"""Colours of crowns: shade per patient and tooth, gradients, stains, fillings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.mouth.fields import smooth_step
from teethscape.dataset.mouth.nets import Array
from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.patient_shape import smooth_field


class Filling(str, Enum):
    """What a tooth has been mended with."""

    NONE = "none"
    AMALGAM = "amalgam"
    COMPOSITE = "composite"
    GOLD = "gold"
    CERAMIC = "ceramic"


@dataclass(frozen=True)
class Shade:
    """Colour of a patient's teeth; every amount is about 0 (none) to 1 (strong).

    Attributes:
        value: reflectance of the crown's middle in the red, linear.
        yellow: how far it leans to yellow and brown.
        neck: darkening at the neck.
        glass: translucency of the incisal edges.
        fissures: brown of fissures and pits.
        plaque: yellow film near the gum and between teeth.
        mottle: white and brown spots.
        spread: s.d. of a tooth's own brightness.
    """

    value: float = 0.76
    yellow: float = 0.5
    neck: float = 0.5
    glass: float = 0.5
    fissures: float = 0.5
    plaque: float = 0.3
    mottle: float = 0.3
    spread: float = 0.03


def dentine(value: float, yellow: float) -> Array:
    """(3,) linear RGB of a shade."""
    return value * np.array([1.0, 0.875 - 0.16 * yellow, 0.75 - 0.42 * yellow])


def concavity(vertices: Array, faces: NDArray[np.int32]) -> Array:
    """(V,) mm by which the neighbours' mean lies outside a vertex: positive in fissures."""
    total, count = np.zeros_like(vertices), np.zeros(len(vertices))
    normal = np.zeros_like(vertices)
    corners = vertices[faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for k in range(3):
        np.add.at(normal, faces[:, k], flat)
        for step in (1, 2):
            np.add.at(total, faces[:, k], vertices[faces[:, (k + step) % 3]])
            np.add.at(count, faces[:, k], 1.0)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return ((total / count[:, None] - vertices) * normal).sum(axis=1)


def crown_places(crown: Crown) -> Array:
    """(V, 3) mesial, buccal and occlusal place on the crown, -1 ... 1 (neck cap left out)."""
    local = (crown.vertices - crown.centre) @ crown.axes
    low, high = np.percentile(local[~crown.cap], [1.0, 99.5], axis=0)
    return np.clip(2.0 * (local - low) / (high - low) - 1.0, -1.2, 1.2)


def enamel_colour(crown: Crown, shade: Shade, rng: np.random.Generator) -> Array:
    """(V, 3) linear RGB: dark at the neck, pale in the middle, greyish at the edge, brown in fissures."""
    place = crown_places(crown)
    up = place[:, 2:]
    canine = 0.18 if crown.fdi % 10 == 3 else 0.0
    yellow = shade.yellow + canine + rng.normal(0.0, 0.06)
    body = dentine(shade.value, yellow)
    neck = dentine(shade.value * (1.0 - 0.22 * shade.neck), yellow + 0.45 * shade.neck)
    colour = neck + (body - neck) * smooth_step(up, -1.0, 0.15)
    front = crown.fdi % 10 <= 3
    if front:
        edge = np.array([0.62, 0.66, 0.66]) * float(body.mean()) * 1.12
        colour = colour + (edge - colour) * shade.glass * smooth_step(up, 0.45, 1.0)
    directions = (crown.vertices - crown.centre) / np.linalg.norm(
        crown.vertices - crown.centre, axis=1, keepdims=True
    )
    spots = smooth_step(smooth_field(directions, rng)[:, None], 1.1, 2.0) * rng.uniform(-1.0, 1.0)
    colour = colour * (1.0 + 0.12 * shade.mottle * spots)
    fissure = np.clip(concavity(crown.vertices, crown.faces) / 0.045, 0.0, 1.0)[:, None]
    if not front:
        stain = np.array([0.36, 0.22, 0.10])
        colour = colour + (stain - colour) * shade.fissures * fissure * smooth_step(up, -0.2, 0.3)
    film = smooth_step(-up, 0.35, 0.95) + 0.8 * smooth_step(np.abs(place[:, :1]), 0.75, 1.05)
    patchy = np.clip(0.5 + 0.5 * smooth_field(directions, rng)[:, None], 0.0, 1.2)
    colour = colour * (1.0 - shade.plaque * np.clip(film * patchy, 0.0, 1.0) * np.array([0.10, 0.22, 0.45]))
    return np.clip(colour * (1.0 + rng.normal(0.0, shade.spread)), 0.01, 0.95)


def filling_field(crown: Crown, kind: Filling, rng: np.random.Generator) -> Array:
    """(V,) positive where the filling is; it crosses 0 at its edge."""
    place = crown_places(crown)
    if kind in (Filling.GOLD, Filling.CERAMIC):
        return np.ones(len(place))
    wave = 0.12 * smooth_field(place / np.linalg.norm(place, axis=1, keepdims=True), rng)
    if crown.fdi % 10 >= 4 and rng.random() < 0.8:
        box = np.hypot(place[:, 0] / rng.uniform(0.45, 0.95), place[:, 1] / rng.uniform(0.3, 0.55))
        fissure = np.clip(concavity(crown.vertices, crown.faces) / 0.08, -0.5, 0.5)
        inside = 1.0 - box + 0.5 * fissure + wave
        return np.where(place[:, 2] > 0.1, np.clip(inside, -1.0, 1.0), -1.0)
    middle = np.array([rng.uniform(-0.7, 0.7), 0.9, rng.uniform(-0.7, 0.7)])
    size = rng.uniform([0.3, 0.8, 0.2], [0.6, 1.2, 0.5])
    return np.clip(1.0 - np.linalg.norm((place - middle) / size, axis=1) + wave, -1.0, 1.0)
