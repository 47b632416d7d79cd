"""Synthetic patients with other teeth than the 28 permanent ones of the prior.

Children, made to see that they are refused, and adults who are easily taken for children:
premolars extracted and the gaps closed (with or without third molars), second molars not
there yet, dwarfed laterals.

There are no scans of milk teeth here. A milk tooth is the permanent crown that resembles it
most (a second milk molar the first permanent molar, for instance), stretched to the width,
depth and height of the literature. Every tooth bears the number of the *place* where it
stands, so that all else of a synthetic patient is made as for 28 teeth.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from teethscape.dataset.patient_case import Recipe, SyntheticPatient, make_patient, random_recipe
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.parametric.crown_sizes import MILK, crown_size
from teethscape.parametric.prior import ToothPrior, ToothShape
from teethscape.parametric.rotation import FloatArray

#: What may stand in a quadrant, from the midline outwards: milk teeth ``A``-``E``, permanent
#: teeth ``1``-``8``, a dwarfed lateral ``p``.
QUADRANTS: Mapping[str, Mapping[Jaw, tuple[str, ...]]] = {
    "primary": {Jaw.UPPER: ("ABCDE",), Jaw.LOWER: ("ABCDE",)},
    "early": {
        Jaw.UPPER: ("ABCDE6", "1BCDE6", "12CDE6", "12CDE6"),
        Jaw.LOWER: ("1BCDE6", "12CDE6", "12CDE6", "12CDE6"),
    },
    "late": {
        Jaw.UPPER: ("12C4E6", "1234E6", "12C4E6", "12C4E67", "1234E67"),
        Jaw.LOWER: ("123DE6", "1234E6", "123DE6", "123DE67", "1234E67"),
    },
    "extracted": {
        Jaw.UPPER: ("123567", "1235678", "123467", "1234678"),
        Jaw.LOWER: ("123567", "1235678", "123467", "1234678"),
    },
    "young": {Jaw.UPPER: ("123456",), Jaw.LOWER: ("123456", "1234567")},
    "dwarfed": {Jaw.UPPER: ("1p34567",), Jaw.LOWER: ("1234567",)},
}
#: Stages of childhood; the other kinds of :data:`QUADRANTS` are adults.
CHILDREN = ("primary", "early", "late")
#: The permanent crown (right side) that each milk tooth is stretched from.
_MODEL = {
    Jaw.UPPER: {"A": 11, "B": 12, "C": 13, "D": 14, "E": 16},
    Jaw.LOWER: {"A": 41, "B": 42, "C": 43, "D": 46, "E": 46},
}
#: Chance that both sides of a jaw differ.
_UNEVEN = 0.3
#: S.d. of the logarithm of a kind's sizes in a patient, beside the prior's spread of sizes.
_KIND_SD = 0.04
_DWARFED = 0.72


@dataclass(frozen=True)
class MixedPrior(ToothPrior):
    """A prior whose ``shapes`` are given for each of the 28 places by itself."""

    def shape(self, fdi: int) -> ToothShape:
        """Crown at a place."""
        return self.shapes[fdi]


def random_mouth(kind: str, rng: np.random.Generator) -> dict[int, str]:
    """What stands at each occupied place (11-47) in a mouth of a kind."""
    out: dict[int, str] = {}
    for right, left in ((1, 2), (4, 3)):
        choices = QUADRANTS[kind][jaw_of(10 * right)]
        first = str(rng.choice(choices))
        second = str(rng.choice(choices)) if rng.random() < _UNEVEN else first
        for quadrant, teeth in ((right, first), (left, second)):
            out |= {10 * quadrant + k + 1: tooth for k, tooth in enumerate(teeth)}
    return out


def _stretched(shape: ToothShape, factor: FloatArray | float) -> ToothShape:
    """A crown stretched along (mesial, buccal, occlusal)."""
    return replace(shape, mean=shape.mean * factor, modes=shape.modes * factor)


def _shape_of(prior: ToothPrior, jaw: Jaw, tooth: str, factor: FloatArray) -> ToothShape:
    """Crown of a tooth of a kind; ``factor`` (3,) tells a patient's milk teeth from the mean."""
    lower = 40 if jaw is Jaw.LOWER else 10
    if tooth in MILK:
        model = prior.shape(_MODEL[jaw][tooth])
        return _stretched(model, factor * crown_size(jaw, tooth) / np.ptp(model.mean[~model.cap], axis=0))
    if tooth == "p":
        return _stretched(prior.shape(lower + 2), _DWARFED)
    if tooth == "8":
        model = prior.shape(lower + 7)
        return _stretched(model, crown_size(jaw, tooth)[0] / float(np.ptp(model.mean[~model.cap, 0])))
    return prior.shape(lower + int(tooth))


def mixed_prior(prior: ToothPrior, mouth: Mapping[int, str], rng: np.random.Generator) -> MixedPrior:
    """The prior with other teeth: crowns exchanged, arches scaled to their length.

    Args:
        prior: permanent teeth.
        mouth: what stands at each place, see :func:`random_mouth`.
        rng: draws how large each kind of milk tooth is in this patient.
    """
    factor = {(jaw, tooth): np.exp(rng.normal(0.0, _KIND_SD, 3)) for jaw in Jaw for tooth in MILK}
    shapes = {fdi: prior.shape(fdi) for fdi in prior.fdi}
    for fdi, tooth in mouth.items():
        jaw = jaw_of(fdi)
        shapes[fdi] = _shape_of(prior, jaw, tooth, factor.get((jaw, tooth), np.ones(3)))
    centre = prior.centre.copy()
    for jaw in Jaw:
        rows = [k for k, fdi in enumerate(prior.fdi) if jaw_of(fdi) is jaw]
        used = [fdi for fdi in mouth if jaw_of(fdi) is jaw]
        centre[rows, :2] *= _length(shapes[fdi] for fdi in used) / _length(map(prior.shape, used))
    fields = {name: getattr(prior, name) for name in ToothPrior.__dataclass_fields__}
    return MixedPrior(**{**fields, "shapes": shapes, "centre": centre})


def _length(shapes: Iterable[ToothShape]) -> float:
    """Sum of mesiodistal widths, mm."""
    return float(sum(np.ptp(shape.mean[~shape.cap, 0]) for shape in shapes))


def _recipe(kind: str, mouth: Mapping[int, str], prior: ToothPrior, rng: np.random.Generator) -> Recipe:
    """A patient's recipe with the places of ``mouth`` occupied; children may be losing a tooth or two."""
    recipe = random_recipe(rng, missing=0)
    absent = frozenset(prior.fdi) - set(mouth)
    loose = [fdi for fdi, tooth in mouth.items() if kind in ("early", "late") and tooth in "12BCD"]
    count = int(rng.choice(3, p=[0.6, 0.25, 0.15])) if loose else 0
    gone = frozenset(int(f) for f in rng.choice(loose, count, replace=False)) if count else frozenset()
    teeth = replace(recipe.dentition, missing=absent | gone, closed=absent)
    if kind in CHILDREN and rng.random() < (0.6 if kind == "primary" else 0.3):
        teeth = replace(teeth, spacing=float(rng.uniform(0.1, 0.8)))
    return replace(recipe, dentition=teeth)


def make_other(prior: ToothPrior, seed: int, kind: str) -> SyntheticPatient:
    """A patient of a kind of :data:`QUADRANTS`; the same seed gives the same patient.

    Args:
        prior: permanent teeth.
        seed: any non-negative number.
        kind: ``primary``, ``early`` or ``late`` (mixed); ``extracted``, ``young`` (no second
            molars) or ``dwarfed``.
    """
    rng = np.random.default_rng([seed, 2, zlib.crc32(kind.encode())])
    mouth = random_mouth(kind, rng)
    recipe = _recipe(kind, mouth, prior, rng)
    return make_patient(mixed_prior(prior, mouth, rng), seed, recipe)
