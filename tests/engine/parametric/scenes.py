"""Cameras, photos and fits whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from teethscape.dataset.patient_case import SyntheticPatient
from teethscape.dental.views import View
from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import Camera
from teethscape.parametric.engine import focal_px
from teethscape.parametric.fit import Fit
from teethscape.parametric.interface import PhotoGeometry
from teethscape.parametric.numbering.arch_view import ArchView
from teethscape.parametric.numbering.measure import NumberingView
from teethscape.parametric.numbering.photo_set import measure_set
from teethscape.parametric.numbering.search import Found, Search
from teethscape.parametric.numbering.ticks import Ticks
from teethscape.parametric.prior import load_prior
from teethscape.parametric.solver import FitState
from teethscape.parametric.start_cameras import nominal_rotations

SIZE = (480, 360)


def views_of(patient: SyntheticPatient) -> dict[View, NumberingView]:
    """Shuffled ids of a patient's photos, as the numbering takes them."""
    out = {}
    for view, labels in patient.instances.items():
        height, width = labels.shape
        focal = focal_px(PhotoGeometry(width, height, patient.focal_35mm[view]))
        out[view] = NumberingView(labels, None, width, height, focal)
    return out


def searched(patient: SyntheticPatient) -> tuple[Search, Found]:
    """The search for a patient's numbers, run, and what it found."""
    prior = load_prior()
    photos = measure_set(views_of(patient), prior)
    arches = {view.jaws[0]: ArchView(photos, view) for view in photos.views if view.is_occlusal}
    search = Search(photos, arches, Ticks(lambda _share: None))
    return search, search.run()


def looking(view: View, arch: Arch) -> Camera:
    """A plausible camera that frames the arch."""
    turn = nominal_rotations(view)[1]
    pivot = np.mean([arch.vertices(i).mean(axis=0) for i in range(28)], axis=0)
    centre = np.array([SIZE[0] - 1, SIZE[1] - 1]) / 2
    return Camera(*SIZE, 1.3 * SIZE[0], centre, turn, np.array([0.0, 0.0, 110.0]), pivot)


@dataclass
class Eyes:
    """A photo whose true labels are known."""

    truth: np.ndarray
    asked: int = 0

    @property
    def size(self):
        return self.truth.shape[1], self.truth.shape[0]

    @property
    def teeth(self):
        return self.truth > 0

    @property
    def clarity(self):
        return np.ones_like(self.truth, np.float32)

    def redrawn(self, expected, rough=False):
        self.asked += 1
        return np.where(expected > 0, self.truth, 0).astype(np.int32)

    def likelihood(self, expected):
        return float(-((expected > 0) != (self.truth > 0)).sum() / (self.truth > 0).sum())

    def explained(self, expected, one_jaw):
        return float((expected == self.truth)[self.truth > 0].mean())

    def confirmed(self, expected):
        return 1.0


class Whole(Eyes):
    """Draws those pixels of the truth that are expected under their number."""

    def redrawn(self, expected, rough=False):
        known = np.isin(self.truth, np.unique(expected[expected > 0]))
        return np.where(known & (expected > 0) & (expected == self.truth), self.truth, 0).astype(np.int32)


def moved(fit, mm):
    """A fit whose cameras all stand elsewhere."""
    step = np.array([0, 0, 0, mm, 0, 0, 0, 0, 0.0])
    return Fit(
        fit.problem, FitState(fit.state.arch, tuple(camera.moved(step) for camera in fit.state.cameras))
    )


def without(exact, *fdi):
    """The fit and its labels as if some teeth had not been found."""
    fit, numbered = exact
    labels = {v: np.where(np.isin(i, fdi), 0, i).astype(np.int32) for v, i in numbered.labels.items()}
    return fit, replace(numbered, labels=labels, present=numbered.present - set(fdi))
