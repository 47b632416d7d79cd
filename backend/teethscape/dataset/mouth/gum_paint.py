"""Colours of soft tissue, per vertex, linear RGB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from teethscape.dataset.gums import neck_ring
from teethscape.dataset.mouth.fields import smooth_step
from teethscape.dataset.mouth.lining import Lining
from teethscape.dataset.mouth.nets import Array
from teethscape.dataset.mouth.tissue import JawTissue
from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaw

Colour = tuple[float, float, float]
#: What the outer side of a jaw swallows more than the inner one, per channel: fitted to photographs from the
#: front, where gums are darker and redder than the palate is in occlusal ones.
_OUTER = np.array([0.22, 0.34, 0.31])


@dataclass(frozen=True)
class GumColours:
    """Colours of a patient's soft tissue, linear RGB, and where they change.

    Attributes:
        rim: free gingiva.
        firm: attached gingiva.
        loose: mucosa beyond the mucogingival line.
        palate: firm palate.
        soft: soft palate and throat.
        lip: red of the lips.
        skin: skin round the mouth.
        line: distance of the mucogingival line from the necks, mm.
        pigment: brown pigment of the attached gingiva, 0 ... 1.
        inflamed: redness of the margins, 0 ... 1.
    """

    rim: Colour = (0.52, 0.15, 0.14)
    firm: Colour = (0.60, 0.24, 0.21)
    loose: Colour = (0.40, 0.075, 0.075)
    palate: Colour = (0.55, 0.22, 0.18)
    soft: Colour = (0.42, 0.12, 0.085)
    lip: Colour = (0.42, 0.11, 0.10)
    skin: Colour = (0.45, 0.25, 0.18)
    line: float = 5.0
    pigment: float = 0.0
    inflamed: float = 0.2


def waves(points: Array, length: float, rng: np.random.Generator) -> Array:
    """(n,) smooth noise of unit deviation at points (n, 3), about ``length`` mm per bump."""
    directions = rng.normal(0.0, 1.5 / length, (24, 3))
    phase = rng.uniform(0.0, 2.0 * np.pi, 24)
    return np.sqrt(2.0 / 24) * np.cos(points @ directions.T + phase).sum(axis=1)


def _mix(a: Array, b: Colour | Array, share: Array) -> Array:
    return a + (np.asarray(b) - a) * share[:, None]


def gum_colour(
    tissue: JawTissue, crowns: Sequence[Crown], look: GumColours, rng: np.random.Generator
) -> Array:
    """(n, 3) colour of a jaw's soft tissue."""
    points = tissue.vertices
    necks = np.vstack([neck_ring(c) for c in crowns if c.jaw is tissue.line.jaw])
    near = KDTree(necks).query(points, distance_upper_bound=12.0)[0]
    near = np.minimum(near, 12.0) + 0.25 * waves(points, 2.5, rng)
    colour = np.tile(np.array(look.rim), (len(points), 1))
    colour = _mix(colour, look.firm, smooth_step(near, 0.4, 1.9))
    bulge = smooth_step(waves(points, 4.0, rng), 0.2, 1.6)
    colour = colour * (1.0 + 0.10 * bulge[:, None])
    line = look.line + 0.7 * waves(points, 4.0, rng)
    colour = _mix(colour, look.loose, smooth_step(near, line - 0.7, line + 1.6))
    if tissue.line.jaw is Jaw.UPPER:
        inner = smooth_step(-tissue.distance, 1.0, 3.5)
        back = smooth_step(points[:, 1], max(tissue.line.last) - 2.0, max(tissue.line.last) + 8.0)
        palate = _mix(np.tile(np.array(look.palate), (len(points), 1)), look.soft, back)
        palate = palate * (1.0 + 0.08 * waves(points, 5.0, rng)[:, None])
        valley = np.clip(tissue.relief, -0.8, 0.8)[:, None]
        palate = palate * np.exp(-valley * np.array([0.25, 0.6, 0.6]))
        colour = _mix(colour, palate, inner * smooth_step(near, 1.0, 3.0))
    outer = smooth_step(tissue.distance, -0.5, 2.0) * (1.0 + 0.35 * waves(points, 7.0, rng))
    colour = colour * (1.0 - outer[:, None] * _OUTER)
    patches = smooth_step(waves(points, 3.0, rng) + 0.5 * waves(points, 1.2, rng), 0.1, 1.0)
    brown = look.pigment * patches * smooth_step(near, 0.6, 2.0) * (1.0 - smooth_step(near, line, line + 2.0))
    colour = _mix(colour, (0.17, 0.08, 0.075), 0.75 * brown)
    red = (
        look.inflamed
        * np.exp(-np.maximum(near, 0.0) / 1.1)
        * np.clip(0.7 + 0.6 * waves(points, 5.0, rng), 0, 1.5)
    )
    colour = colour * (1.0 - red[:, None] * np.array([0.08, 0.45, 0.42]))
    return np.clip(colour, 0.005, 0.95)


def looseness(tissue: JawTissue, look: GumColours) -> Array:
    """(n,) 0 on firm gum and palate, 1 on the loose mucosa, where vessels shine through."""
    beyond = smooth_step(tissue.above, look.line - 0.5, look.line + 2.0)
    palate = smooth_step(-tissue.distance, 0.0, 2.0) if tissue.line.jaw is Jaw.UPPER else 0.0
    return beyond * (1.0 - palate)


def lining_colour(made: Lining, look: GumColours, rng: np.random.Generator) -> Array:
    """(n, 3) colour of cheeks and lips."""
    way, points = made.way, made.vertices
    deep = np.array(look.loose) * np.array([1.0, 0.95, 0.95])
    inner = 0.5 * (np.array(look.loose) + np.array(look.firm)) * np.array([1.0, 0.75, 0.75])
    colour = _mix(np.tile(deep, (len(points), 1)), inner, smooth_step(way, 0.1, 0.8))
    colour = _mix(colour, look.lip, smooth_step(way, 1.0, 1.4))
    edge = way + 0.15 * waves(points, 3.0, rng)
    colour = _mix(colour, look.skin, smooth_step(edge, 1.8, 2.3))
    red = np.exp(-(((way - 1.5) / 0.45) ** 2))
    colour = colour * (1.0 + 0.14 * red * made.wrinkle)[:, None]
    veins = smooth_step(waves(points * np.array([1.0, 1.0, 0.5]), 1.8, rng), 0.8, 1.8) * (way < 1.0)
    colour = _mix(colour, deep * np.array([0.7, 0.6, 0.8]), 0.5 * veins)
    return np.clip(colour * (1.0 + 0.12 * waves(points, 4.0, rng)[:, None]), 0.005, 0.95)
