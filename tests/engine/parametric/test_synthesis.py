"""Analysis by synthesis: labels drawn anew with the model's help, and models that the photos belie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric import rounds, synthesis
from teethscape.parametric.arch import Arch
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.rounds import Photos
from teethscape.parametric.synthesis import (
    Said,
    supplemented,
    synthesised,
)

from .scenes import Eyes, moved, without


def test_the_model_expects_what_its_cameras_show(exact):
    fit, numbered = exact
    arch = Arch(fit.problem.prior, fit.state.arch)
    for camera, (view, labels) in zip(fit.state.cameras, numbered.labels.items(), strict=True):
        found = expected_teeth(arch, numbered.present, view, camera)
        assert (found == labels).mean() > 0.999, view
        large = expected_teeth(arch, numbered.present - {11}, view, camera.resized(960, 720))
        assert large.shape == (720, 960)
        assert 11 not in large


class Braced(Eyes):
    """Most of its borders are brackets'."""

    def explained(self, expected, one_jaw):
        return 0.3 * super().explained(expected, one_jaw)


def run(exact, monkeypatch, fits):
    """Rounds whose fits are given instead of computed; how many labels each photo was asked for."""
    fit, numbered = exact
    sight = {view: Eyes(labels) for view, labels in numbered.labels.items()}
    queue = iter(fits)
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, _fit, _step: next(queue))
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step, _schedule: fit)
    found = synthesised((fit, numbered), Photos(sight, dict.fromkeys(numbered.labels), lambda: None))
    return found, sight


def test_a_round_that_makes_it_worse_is_dropped_and_the_last(exact, monkeypatch):
    (fit, numbered, drawn), sight = run(exact, monkeypatch, [moved(exact[0], 2.0)])
    assert fit is exact[0]
    assert numbered.present == exact[1].present
    assert sight[View.ANTERIOR].asked == 2  # afresh, and the labels of the round are the final ones
    assert set(drawn) == set(View)


def test_the_teeth_are_fitted_afresh_to_the_labels_that_the_first_fit_helped_to_draw(exact, monkeypatch):
    off, asked = moved(exact[0], 1.0), []

    def fit_arches(evidence, rough, _step, _schedule):
        asked.append((evidence.labels, rough))
        return exact[0]

    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", fit_arches)
    sight = {view: Eyes(labels) for view, labels in exact[1].labels.items()}
    wrong = {view: np.zeros_like(labels) for view, labels in exact[1].labels.items()}
    start = off, replace(exact[1], labels=wrong)
    fit, *_ = synthesised(start, Photos(sight, dict.fromkeys(sight), lambda: None))
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


def completed(exact, monkeypatch, shown, lost, absent=frozenset()):
    """Teeth of the result when some were not found; ``shown`` is a set of labels that the photos show."""
    fit, numbered = without(exact, *lost)
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step, _schedule: fit)
    sight = {view: Eyes(labels) for view, labels in shown.items()}
    exif = dict.fromkeys(shown)
    _, numbered, _ = synthesised((fit, numbered), Photos(sight, exif, lambda: None), Said(absent))
    return numbered


def test_teeth_that_the_numbering_missed_and_the_photos_show_come_back(exact, monkeypatch):
    numbered = completed(exact, monkeypatch, exact[1].labels, (46, 11))
    assert numbered.present == exact[1].present
    assert [n[:8] for n in numbered.notices] == ["Tooth 11", "Tooth 46"]


def test_a_gap_or_a_tooth_said_to_be_missing_stays_one(exact, monkeypatch):
    gap = without(exact, 46)[1].labels
    assert 46 not in completed(exact, monkeypatch, gap, (46,)).present
    assert 46 not in completed(exact, monkeypatch, exact[1].labels, (46,), frozenset({46})).present


def test_numbered_labels_stand_unless_a_photo_shows_a_tooth_that_they_lack(exact, monkeypatch):
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    fit, numbered = without(exact, 46)

    def found(shown, absent=frozenset()):
        sight = {view: Eyes(labels) for view, labels in shown.items()}
        photos = Photos(sight, dict.fromkeys(shown), lambda: None)
        return supplemented((fit, numbered), photos, absent)

    whole, gap = exact[1].labels, numbered.labels
    assert found(gap) == (fit, numbered, {})
    assert found(whole, frozenset({46})) == (fit, numbered, {})
    _, more, drawn = found(whole)
    assert more.present == exact[1].present
    assert [n[:8] for n in more.notices] == ["Tooth 46"]
    assert set(drawn) == set(View)


def test_a_model_that_lacks_a_tooth_must_agree_more_where_other_starts_were_needed(exact, monkeypatch):
    shown = {view: Eyes(labels) for view, labels in without(exact, 47)[1].labels.items()}
    for eyes in shown.values():
        monkeypatch.setattr(eyes, "explained", lambda *_: 0.64, raising=False)  # agreement 0.82
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step, _schedule: exact[0])
    monkeypatch.setattr(synthesis, "resighted", lambda found, _photos: found)
    monkeypatch.setattr(synthesis, "complete", lambda found, *_: found)

    def present(margin, absent=frozenset()):
        fit, numbered = without(exact, 47)
        start = fit, replace(numbered, margin=dict.fromkeys(View, margin))
        return synthesised(start, Photos(shown, dict.fromkeys(shown), lambda: None), Said(absent))[1].present

    assert 47 not in present(margin=9.0)
    assert 47 not in present(margin=0.1, absent=frozenset({47}))
    with pytest.raises(RefusedError, match="Occlusal"):
        present(margin=0.1)


def test_the_model_of_the_users_own_labels_stands_unless_another_agrees_better(exact, monkeypatch):
    fit, numbered = exact
    kind = {View.ANTERIOR: Braced}
    shown = {view: kind.get(view, Eyes)(labels) for view, labels in numbered.labels.items()}
    off, seen = moved(fit, 2.0), rounds.Photos(shown, dict.fromkeys(shown), lambda: None)
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step, _schedule: off)
    monkeypatch.setattr(synthesis, "complete", lambda found, *_: found)

    def cameras(other, said):
        monkeypatch.setattr(synthesis, "resighted", lambda *_: seen.look(other, numbered))
        start = off, numbered
        return synthesised(start, Photos(shown, dict.fromkeys(shown), lambda: None), said)[0].state.cameras

    assert cameras(moved(fit, 4.0), Said(labels=True)) is off.state.cameras
    for other, said in ((moved(fit, 4.0), Said()), (fit, Said(labels=True))):
        with pytest.raises(RefusedError, match="borders"):
            cameras(other, said)


def test_a_doubtful_occlusal_photo_is_settled_only_by_a_model_that_has_all_teeth_of_its_jaw(
    exact, monkeypatch
):
    shown = {view: Eyes(labels) for view, labels in without(exact, 47)[1].labels.items()}
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step, _schedule: exact[0])
    monkeypatch.setattr(synthesis, "resighted", lambda found, _photos: found)
    monkeypatch.setattr(synthesis, "complete", lambda found, *_: found)
    doubt = RefusedError("numbering_uncertain", "Two teeth might be missing.", "Say which.")

    def present(doubtful, absent=frozenset()):
        fit, numbered = without(exact, 47)
        margin = {view: 0.1 if view is doubtful else 9.0 for view in View}
        start = fit, replace(numbered, margin=margin, doubt=doubt)
        return synthesised(start, Photos(shown, dict.fromkeys(shown), lambda: None), Said(absent))[1].present

    assert 47 not in present(View.MAXILLARY_OCCLUSAL)
    assert 47 not in present(View.MANDIBULAR_OCCLUSAL, frozenset({47}))
    with pytest.raises(RefusedError) as refusal:
        present(View.MANDIBULAR_OCCLUSAL)
    assert refusal.value.code == "numbering_uncertain"
