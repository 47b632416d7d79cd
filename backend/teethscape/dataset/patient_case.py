"""Synthetic patients with known truth: what a benchmark fits and compares with.

Unlike :mod:`teethscape.dataset.random_crowns`, which feeds the training of networks,
these patients have crowns that the prior cannot express, closed contacts, a bite
that rests on its teeth, and labels with a person's or a network's errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.gums import GumStyle
from teethscape.dataset.patient_arch import Dentition, random_arches
from teethscape.dataset.patient_bite import settled
from teethscape.dataset.patient_cameras import Clinic, clinic_cameras, exif_focal, random_clinic
from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.patient_masks import (
    LabelErrors,
    drawn_labels,
    mouth_of,
    random_errors,
    shuffled_ids,
    true_labels,
)
from teethscape.dataset.patient_shape import ShapeNoise
from teethscape.dental.fdi import TEETH, Jaw, jaw_of
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.prior import ToothPrior

Labels = NDArray[np.int32]
#: Chance of being lost, by place in the quadrant (incisors to second molars).
_LOSS = np.array([0.5, 1.0, 0.3, 1.5, 2.0, 2.0, 1.0])


@dataclass(frozen=True)
class Recipe:
    """Everything that is drawn before any geometry is made.

    Attributes:
        dentition: which teeth, and how they stand.
        clinic: how the photos are taken.
        errors: how the labels are drawn.
        opening: gap in mm that the patient leaves between the jaws.
        gums: shape of the gums.
    """

    dentition: Dentition = field(default_factory=Dentition)
    clinic: Clinic = field(default_factory=Clinic)
    errors: LabelErrors = field(default_factory=LabelErrors)
    opening: float = 0.0
    gums: GumStyle = field(default_factory=lambda: GumStyle(0.15, 0.6, 1.6, 4.8, 12.0))


@dataclass(frozen=True)
class SyntheticPatient:
    """A patient with five labelled views.

    Attributes:
        seed: the seed that gives this patient again.
        recipe: what was drawn.
        crowns: true teeth by FDI number, world mm, jaws in occlusion.
        cameras: true camera of each view.
        focal_35mm: what each file's EXIF data say, None without.
        visible: (h, w) exact FDI labels of each view.
        drawn: (h, w) FDI labels with errors.
        instances: (h, w) the same under shuffled ids.
        numbering: per view, id -> FDI number.
    """

    seed: int
    recipe: Recipe
    crowns: Mapping[int, Crown]
    cameras: Mapping[View, Camera]
    focal_35mm: Mapping[View, float | None]
    visible: Mapping[View, Labels]
    drawn: Mapping[View, Labels]
    instances: Mapping[View, Labels]
    numbering: Mapping[View, Mapping[int, int]]

    def jaw_labels(self) -> dict[View, Labels]:
        """Silhouettes of the jaws: 1 upper, 2 lower."""
        upper = [fdi for fdi in TEETH if jaw_of(fdi) is Jaw.UPPER]
        return {
            view: np.where(labels > 0, np.where(np.isin(labels, upper), 1, 2), 0).astype(np.int32)
            for view, labels in self.drawn.items()
        }

    def tooth_labels(self) -> dict[View, Labels]:
        """One silhouette of all teeth: 1 tooth."""
        return {view: (labels > 0).astype(np.int32) for view, labels in self.drawn.items()}


def random_missing(count: int, rng: np.random.Generator) -> frozenset[int]:
    """``count`` absent teeth, drawn by how often each kind is lost."""
    chance = np.array([_LOSS[fdi % 10 - 1] for fdi in TEETH])
    return frozenset(int(f) for f in rng.choice(TEETH, count, replace=False, p=chance / chance.sum()))


def random_dentition(rng: np.random.Generator, missing: int) -> Dentition:
    """A dentition with ``missing`` absent teeth, each gap open or closed by chance."""
    absent = random_missing(missing, rng)
    closed = frozenset(fdi for fdi in sorted(absent) if rng.random() < 0.5)
    kind = rng.random()
    return Dentition(
        missing=absent,
        closed=closed,
        spacing=float(rng.uniform(0.1, 0.6)) if kind < 0.15 else 0.0,
        crowding=float(rng.uniform(0.05, 0.2)) if kind > 0.7 else 0.0,
        spread=float(rng.uniform(0.7, 1.1)),
        shape=ShapeNoise(rms=float(rng.uniform(0.1, 0.2)), wear=float(rng.uniform(0.05, 0.35))),
    )


def random_recipe(rng: np.random.Generator, missing: int | None = None, width: int = 720) -> Recipe:
    """A patient as they come: 60 % whole, the others with one to three teeth missing."""
    if missing is None:
        missing = int(rng.choice(4, p=[0.6, 0.2, 0.12, 0.08]))
    gums = GumStyle(
        cover=float(rng.normal(0.15, 0.2)),
        thickness=float(rng.uniform(0.3, 0.8)),
        papilla=float(rng.uniform(0.6, 2.2)),
        bulge=float(rng.uniform(4.2, 5.2)),
        vault=float(rng.uniform(9.0, 15.0)),
    )
    return Recipe(
        dentition=random_dentition(rng, missing),
        clinic=random_clinic(rng, width),
        errors=random_errors(rng),
        opening=float(rng.uniform(0.3, 1.5)) if rng.random() < 0.1 else 0.0,
        gums=gums,
    )


def make_patient(prior: ToothPrior, seed: int, recipe: Recipe | None = None) -> SyntheticPatient:
    """The patient of a seed; the same seed, recipe and prior give the same patient.

    Args:
        prior: the tooth prior from which arches are drawn.
        seed: any non-negative number.
        recipe: what to make; drawn from the seed by default.
    """
    # One stream per part: a change of one part leaves the others as they were.
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5)]
    recipe = recipe or random_recipe(streams[0])
    crowns, bite = random_arches(prior, recipe.dentition, streams[1])
    crowns = settled(crowns, bite, recipe.opening)
    cameras = clinic_cameras(crowns, recipe.clinic, streams[2])
    focal = {v: exif_focal(c, streams[2]) if recipe.clinic.exif else None for v, c in cameras.items()}
    mouth = mouth_of(crowns, recipe.gums, streams[3])
    visible = {view: true_labels(mouth, view, camera) for view, camera in cameras.items()}
    errors, rng = recipe.errors, streams[4]
    drawn = {view: drawn_labels(labels, view, errors, rng) for view, labels in visible.items()}
    shuffled = {view: shuffled_ids(labels, rng) for view, labels in drawn.items()}
    return SyntheticPatient(
        seed,
        recipe,
        crowns,
        cameras,
        focal,
        visible,
        drawn,
        {view: labels for view, (labels, _) in shuffled.items()},
        {view: table for view, (_, table) in shuffled.items()},
    )


def redrawn(patient: SyntheticPatient, errors: LabelErrors, seed: int) -> SyntheticPatient:
    """The same patient and photos with labels drawn by another annotator."""
    rng = np.random.default_rng(np.random.SeedSequence([patient.seed, seed]))
    drawn = {view: drawn_labels(labels, view, errors, rng) for view, labels in patient.visible.items()}
    shuffled = {view: shuffled_ids(labels, rng) for view, labels in drawn.items()}
    return replace(
        patient,
        recipe=replace(patient.recipe, errors=errors),
        drawn=drawn,
        instances={view: labels for view, (labels, _) in shuffled.items()},
        numbering={view: table for view, (_, table) in shuffled.items()},
    )
