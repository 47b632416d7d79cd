"""Analysis by synthesis: labels drawn anew with the model's help, and models that the photos belie."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric import rounds, synthesis
from teethscape.parametric.arch import Arch
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.fit import Evidence, Fit, problem_of
from teethscape.parametric.observations import UNNUMBERED, observe
from teethscape.parametric.result import Numbered
from teethscape.parametric.solver import FitState
from teethscape.parametric.synthesis import (
    Said,
    doubted,
    drawn_by_numbering,
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

    @property
    def teeth(self):
        return self.truth > 0

    @property
    def clarity(self):
        return np.ones_like(self.truth, np.float32)

    def redrawn(self, expected):
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

    def redrawn(self, expected):
        known = np.isin(self.truth, np.unique(expected[expected > 0]))
        return np.where(known & (expected > 0) & (expected == self.truth), self.truth, 0).astype(np.int32)


class Braced(Eyes):
    """Most of its borders are brackets'."""

    def explained(self, expected, one_jaw):
        return 0.3 * super().explained(expected, one_jaw)


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
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, _fit, _step: next(queue))
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step: fit)
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
    assert numbered.present == exact[1].present
    assert sight[View.ANTERIOR].asked == 2  # afresh, and the labels of the round are the final ones
    assert set(drawn) == set(View)


def test_the_teeth_are_fitted_afresh_to_the_labels_that_the_first_fit_helped_to_draw(exact, monkeypatch):
    off, asked = moved(exact[0], 1.0), []

    def fit_arches(evidence, rough, _step):
        asked.append((evidence.labels, rough))
        return exact[0]

    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", fit_arches)
    sight = {view: Eyes(labels) for view, labels in exact[1].labels.items()}
    wrong = {view: np.zeros_like(labels) for view, labels in exact[1].labels.items()}
    start = off, replace(exact[1], labels=wrong)
    fit, *_ = synthesised(start, sight, dict.fromkeys(sight), lambda: None)
    ((labels, rough),) = asked
    assert fit is exact[0]
    assert (labels[View.ANTERIOR] == exact[1].labels[View.ANTERIOR]).mean() > 0.9
    assert not rough.state.shape.any()
    assert rough.cameras[View.ANTERIOR].translation[0] == pytest.approx(1.0)


def test_rounds_go_on_while_they_help(exact, monkeypatch):
    start = (moved(exact[0], 1.5), exact[1])
    better, best = moved(exact[0], 0.8), exact[0]
    (fit, numbered, drawn), _ = run(start, monkeypatch, [better, best])
    assert fit is best
    assert (drawn[View.ANTERIOR] == exact[1].labels[View.ANTERIOR]).mean() > 0.99
    assert numbered.present == exact[1].present


def without(exact, *fdi):
    """The fit and its labels as if some teeth had not been found."""
    fit, numbered = exact
    labels = {v: np.where(np.isin(i, fdi), 0, i).astype(np.int32) for v, i in numbered.labels.items()}
    return fit, replace(numbered, labels=labels, present=numbered.present - set(fdi))


def completed(exact, monkeypatch, shown, lost, absent=frozenset()):
    """Teeth of the result when some were not found; ``shown`` is a set of labels that the photos show."""
    fit, numbered = without(exact, *lost)
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step: fit)
    sight = {view: Eyes(labels) for view, labels in shown.items()}
    exif = dict.fromkeys(shown)
    _, numbered, _ = synthesised((fit, numbered), sight, exif, lambda: None, Said(absent))
    return numbered


def test_teeth_that_the_numbering_missed_and_the_photos_show_come_back(exact, monkeypatch):
    numbered = completed(exact, monkeypatch, exact[1].labels, (46, 11))
    assert numbered.present == exact[1].present
    assert [n[:8] for n in numbered.notices] == ["Tooth 11", "Tooth 46"]


def test_a_gap_or_a_tooth_said_to_be_missing_stays_one(exact, monkeypatch):
    gap = without(exact, 46)[1].labels
    assert 46 not in completed(exact, monkeypatch, gap, (46,)).present
    assert 46 not in completed(exact, monkeypatch, exact[1].labels, (46,), frozenset({46})).present


def test_a_model_without_the_teeth_that_a_photo_shows_is_refused(exact):
    _, numbered = exact
    sight = {view: Eyes(labels) for view, labels in numbered.labels.items()}
    require_explained(numbered.labels, sight)
    lost = {v: np.where((i > 40) | (i == 31), 0, i).astype(np.int32) for v, i in numbered.labels.items()}
    with pytest.raises(RefusedError, match="Mandibular Occlusal") as refusal:
        require_explained(lost, sight)
    assert refusal.value.code == "teeth_unexplained"


def test_a_model_that_lacks_a_tooth_must_agree_more_where_other_starts_were_needed(exact, monkeypatch):
    shown = {view: Eyes(labels) for view, labels in without(exact, 47)[1].labels.items()}
    for eyes in shown.values():
        monkeypatch.setattr(eyes, "explained", lambda *_: 0.64, raising=False)  # agreement 0.82
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step: exact[0])
    monkeypatch.setattr(synthesis, "resighted", lambda found, _photos: found)
    monkeypatch.setattr(synthesis, "complete", lambda found, *_: found)

    def present(margin, absent=frozenset()):
        fit, numbered = without(exact, 47)
        start = fit, replace(numbered, margin=dict.fromkeys(View, margin))
        return synthesised(start, shown, dict.fromkeys(shown), lambda: None, Said(absent))[1].present

    assert 47 not in present(margin=9.0)
    assert 47 not in present(margin=0.1, absent=frozenset({47}))
    with pytest.raises(RefusedError, match="Occlusal"):
        present(margin=0.1)


def test_borders_that_an_occlusal_photo_does_not_show_are_refused(exact, monkeypatch):
    _, numbered = exact
    sight = {view: Eyes(labels) for view, labels in numbered.labels.items()}
    monkeypatch.setattr(sight[View.ANTERIOR], "confirmed", lambda _expected: 0.5, raising=False)
    require_explained(numbered.labels, sight)  # front photos hide contacts; the mean counts
    monkeypatch.setattr(sight[View.MAXILLARY_OCCLUSAL], "confirmed", lambda _expected: 0.7, raising=False)
    with pytest.raises(RefusedError, match="Maxillary Occlusal"):
        require_explained(numbered.labels, sight)


def test_the_model_of_the_users_own_labels_stands_unless_another_agrees_better(exact, monkeypatch):
    fit, numbered = exact
    kind = {View.ANTERIOR: Braced}
    shown = {view: kind.get(view, Eyes)(labels) for view, labels in numbered.labels.items()}
    off, seen = moved(fit, 2.0), rounds.Photos(shown, dict.fromkeys(shown), lambda: None)
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step: off)
    monkeypatch.setattr(synthesis, "complete", lambda found, *_: found)

    def cameras(other, said):
        monkeypatch.setattr(synthesis, "resighted", lambda *_: seen.look(other, numbered))
        start = off, numbered
        return synthesised(start, shown, dict.fromkeys(shown), lambda: None, said)[0].state.cameras

    assert cameras(moved(fit, 4.0), Said(labels=True)) is off.state.cameras
    for other, said in ((moved(fit, 4.0), Said()), (fit, Said(labels=True))):
        with pytest.raises(RefusedError, match="borders"):
            cameras(other, said)


def reconsidered(exact, monkeypatch, margin, lost=()):
    """The cameras of the result when other models are at hand, and which were asked for."""
    fit, numbered = exact
    asked = []

    def other(name, found):
        asked.append(name)
        return found

    off = moved(fit, 2.0)
    start = replace(numbered, margin=margin, present=numbered.present - set(lost))
    sight = {view: Eyes(labels) for view, labels in numbered.labels.items()}
    photos = rounds.Photos(sight, dict.fromkeys(sight), lambda: None)
    near = photos.look(fit, start)
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step: off)
    monkeypatch.setattr(synthesis, "resighted", lambda found, _photos: other("resighted", near))
    monkeypatch.setattr(synthesis, "complete", lambda found, *_: other("complete", found))
    absent = frozenset(lost[:1])
    found, *_ = synthesised((off, start), sight, dict.fromkeys(sight), lambda: None, Said(absent))
    return found.state.cameras is fit.state.cameras, asked


def test_where_the_numbering_was_not_sure_the_model_that_agrees_best_is_taken(exact, monkeypatch):
    sure, unsure = dict.fromkeys(View, 9.0), {**dict.fromkeys(View, 9.0), View.ANTERIOR: 0.1}
    assert reconsidered(exact, monkeypatch, sure) == (False, [])
    assert reconsidered(exact, monkeypatch, unsure) == (True, ["resighted"])


def test_all_teeth_are_tried_where_one_is_missing_that_nobody_said_is(exact, monkeypatch):
    unsure = dict.fromkeys(View, 0.1)
    assert reconsidered(exact, monkeypatch, unsure, (37, 46, 47))[1] == ["resighted", "complete"]
    assert reconsidered(exact, monkeypatch, unsure, (37,))[1] == ["resighted"]


@pytest.fixture
def cut(exact, patient):  # noqa: F811 - the fixture
    """The lower occlusal photo's truth, and a function that draws pieces of it anew before the first fit."""
    arch, cameras, labels = patient
    view = View.MANDIBULAR_OCCLUSAL

    def draw(pieces, numbers):
        numbered = replace(exact[1], numbering={**exact[1].numbering, view: numbers})
        eyes = {v: Whole(image) for v, image in labels.items()}
        return drawn_by_numbering(numbered, {**labels, view: pieces}, arch, cameras, eyes).labels[view]

    return labels[view], dict(exact[1].numbering[view]), draw


def part(truth, tooth, share):
    """Pixels of a tooth in its first columns."""
    columns = np.nonzero((truth == tooth).any(axis=0))[0]
    left = np.arange(truth.shape[1]) < np.quantile(columns, share)
    return (truth == tooth) & left


def test_before_the_first_fit_pieces_are_joined_and_teeth_without_a_label_come_back(cut):
    truth, numbers, draw = cut
    pieces = truth.copy()
    pieces[part(truth, 37, 0.5)] = 0
    pieces[truth == 44] = 0
    drawn = draw(pieces, numbers)
    for tooth in (37, 44, 36):
        assert ((drawn == tooth) & (truth == tooth)).sum() > 0.95 * (truth == tooth).sum(), tooth
    assert (pieces == 37).sum() < 0.6 * (truth == 37).sum()


def test_a_small_piece_under_a_neighbours_number_goes_where_the_model_says(cut):
    truth, numbers, draw = cut
    pieces = truth.copy()
    stray = part(truth, 36, 0.4)
    pieces[stray] = 99
    drawn = draw(pieces, {**numbers, 99: 37})
    assert 0.1 * (truth == 36).sum() < stray.sum() < (truth == 37).sum()
    assert (drawn[stray] == 36).mean() > 0.95


def test_a_piece_without_a_number_does_not_steer_the_first_fit(exact, cut):
    truth, *_ = cut
    view = View.MANDIBULAR_OCCLUSAL
    pieces = truth.copy()
    loose = part(truth, 36, 0.4)
    pieces[loose] = 99
    drawn = np.where(loose, 37, truth)  # as a rough model may guess
    numbered = replace(exact[1], labels={**exact[1].labels, view: drawn})
    labels = doubted(numbered, {**exact[1].labels, view: pieces})
    assert (labels[view][loose] == UNNUMBERED).all()
    assert (labels[View.ANTERIOR] == exact[1].labels[View.ANTERIOR]).all()
    prior = exact[0].problem.prior
    seen, guessed = (observe(view, image, prior, 480).contour for image in (labels[view], drawn))
    rows = np.nonzero(loose)
    for tooth in (prior.fdi.index(36), prior.fdi.index(37)):
        inside = [_beside(points.position[points.tooth == tooth], rows) for points in (seen, guessed)]
        assert inside[0].sum() <= 3 < inside[1].sum(), tooth


def _beside(points, rows):
    """Which outline points (n, 2) touch pixels."""
    pixels = np.stack(rows[::-1], axis=1)
    return np.array([np.abs(pixels - point).max(axis=1).min() <= 1 for point in points])


def test_a_doubtful_occlusal_photo_is_settled_only_by_a_model_that_has_all_teeth_of_its_jaw(
    exact, monkeypatch
):
    shown = {view: Eyes(labels) for view, labels in without(exact, 47)[1].labels.items()}
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step: exact[0])
    monkeypatch.setattr(synthesis, "resighted", lambda found, _photos: found)
    monkeypatch.setattr(synthesis, "complete", lambda found, *_: found)
    doubt = RefusedError("numbering_uncertain", "Two teeth might be missing.", "Say which.")

    def present(doubtful, absent=frozenset()):
        fit, numbered = without(exact, 47)
        margin = {view: 0.1 if view is doubtful else 9.0 for view in View}
        start = fit, replace(numbered, margin=margin, doubt=doubt)
        return synthesised(start, shown, dict.fromkeys(shown), lambda: None, Said(absent))[1].present

    assert 47 not in present(View.MAXILLARY_OCCLUSAL)
    assert 47 not in present(View.MANDIBULAR_OCCLUSAL, frozenset({47}))
    with pytest.raises(RefusedError) as refusal:
        present(View.MANDIBULAR_OCCLUSAL)
    assert refusal.value.code == "numbering_uncertain"
