"""Analysis by synthesis: labels drawn anew with the model's help, and models that the photos belie."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric import synthesis
from teethscape.parametric.arch import Arch
from teethscape.parametric.fit import Evidence, Fit, problem_of
from teethscape.parametric.result import Numbered
from teethscape.parametric.solver import FitState
from teethscape.parametric.synthesis import (
    drawn_by_numbering,
    expected_teeth,
    require_explained,
    synthesised,
)

from .test_fit import patient  # noqa: F401 - the fixture


@dataclass
class Eyes:
    """A photo whose true labels are known."""

    truth: np.ndarray
    asked: int = 0

    @property
    def size(self):
        return self.truth.shape[1], self.truth.shape[0]

    def redrawn(self, expected):
        self.asked += 1
        return np.where(expected > 0, self.truth, 0).astype(np.int32)

    def likelihood(self, expected):
        return float(-((expected > 0) != (self.truth > 0)).sum() / (self.truth > 0).sum())

    def explained(self, expected):
        return float((expected == self.truth)[self.truth > 0].mean())


class Whole(Eyes):
    """Draws those pixels of the truth that are expected under their number."""

    def redrawn(self, expected):
        known = np.isin(self.truth, np.unique(expected[expected > 0]))
        return np.where(known & (expected > 0) & (expected == self.truth), self.truth, 0).astype(np.int32)


@pytest.fixture(scope="module")
def exact(patient):  # noqa: F811 - the fixture
    """A fit at the truth, and its labels."""
    arch, cameras, labels = patient
    evidence = Evidence(labels, frozenset(arch.prior.fdi), dict.fromkeys(labels))
    fit = Fit(
        problem_of(arch.prior, evidence, 480), FitState(arch.state, tuple(cameras[view] for view in labels))
    )
    numbering = {view: {int(n): int(n) for n in np.unique(image) if n} for view, image in labels.items()}
    return fit, Numbered(labels, frozenset(arch.prior.fdi), numbering, {}, ())


def test_the_model_expects_what_its_cameras_show(exact):
    fit, numbered = exact
    arch = Arch(fit.problem.prior, fit.state.arch)
    for camera, (view, labels) in zip(fit.state.cameras, numbered.labels.items(), strict=True):
        found = expected_teeth(arch, numbered.present, view, camera)
        assert (found == labels).mean() > 0.999, view
        large = expected_teeth(arch, numbered.present - {11}, view, camera.resized(960, 720))
        assert large.shape == (720, 960)
        assert 11 not in large


def run(exact, monkeypatch, fits):
    """Rounds whose fits are given instead of computed; how many labels each photo was asked for."""
    fit, numbered = exact
    sight = {view: Eyes(labels) for view, labels in numbered.labels.items()}
    queue = iter(fits)
    monkeypatch.setattr(synthesis, "fit_again", lambda _evidence, _fit, _step: next(queue))
    found = synthesised((fit, numbered), sight, dict.fromkeys(numbered.labels), lambda: None)
    return found, sight


def moved(fit, mm):
    """A fit whose cameras all stand elsewhere."""
    step = np.array([0, 0, 0, mm, 0, 0, 0, 0, 0.0])
    return Fit(
        fit.problem, FitState(fit.state.arch, tuple(camera.moved(step) for camera in fit.state.cameras))
    )


def test_a_round_that_makes_it_worse_is_dropped_and_the_last(exact, monkeypatch):
    (fit, numbered, drawn), sight = run(exact, monkeypatch, [moved(exact[0], 2.0)])
    assert fit is exact[0]
    assert numbered is exact[1]
    assert sight[View.ANTERIOR].asked == 1  # the round's labels are the final ones
    assert set(drawn) == set(View)


def test_rounds_go_on_while_they_help(exact, monkeypatch):
    start = (moved(exact[0], 1.5), exact[1])
    better, best = moved(exact[0], 0.8), exact[0]
    (fit, numbered, drawn), _ = run(start, monkeypatch, [better, best])
    assert fit is best
    assert (drawn[View.ANTERIOR] == exact[1].labels[View.ANTERIOR]).mean() > 0.99
    assert numbered.present == exact[1].present


def test_a_model_without_the_teeth_that_a_photo_shows_is_refused(exact):
    _, numbered = exact
    sight = {view: Eyes(labels) for view, labels in numbered.labels.items()}
    require_explained(numbered.labels, sight)
    lost = {v: np.where((i > 40) | (i == 31), 0, i).astype(np.int32) for v, i in numbered.labels.items()}
    with pytest.raises(RefusedError, match="Mandibular Occlusal") as refusal:
        require_explained(lost, sight)
    assert refusal.value.code == "teeth_unexplained"


def test_before_the_first_fit_pieces_are_joined_and_teeth_without_a_label_come_back(exact, patient):  # noqa: F811
    arch, cameras, labels = patient
    view = View.MANDIBULAR_OCCLUSAL
    truth = labels[view]
    cut = truth.copy()
    columns = np.nonzero((truth == 37).any(axis=0))[0]
    cut[:, : int(np.median(columns))][truth[:, : int(np.median(columns))] == 37] = 0
    cut[truth == 44] = 0
    numbered = replace(exact[1], labels={**labels, view: cut})
    eyes = {v: Whole(image) for v, image in labels.items()}
    drawn = drawn_by_numbering(numbered, arch, cameras, eyes).labels[view]
    for tooth in (37, 44, 36):
        assert ((drawn == tooth) & (truth == tooth)).sum() > 0.95 * (truth == tooth).sum(), tooth
    assert (cut == 37).sum() < 0.6 * (truth == 37).sum()
