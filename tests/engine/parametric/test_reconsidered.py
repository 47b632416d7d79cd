"""When other models than the first fit's are tried, and which is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.parametric import explained, rounds, synthesis
from teethscape.parametric.overlooked import Gap, Scene, gaps
from teethscape.parametric.rounds import Photos
from teethscape.parametric.synthesis import Said, synthesised

from .scenes import Eyes, moved, without


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
    photos = Photos(sight, dict.fromkeys(sight), lambda: None)
    near = photos.look(fit, start)
    monkeypatch.setattr(rounds, "fit_again", lambda _evidence, fit, _step: fit)
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step: off)
    monkeypatch.setattr(synthesis, "resighted", lambda found, _photos: other("resighted", near))
    monkeypatch.setattr(synthesis, "complete", lambda found, *_: other("complete", found))
    absent = frozenset(lost[:1])
    found, *_ = synthesised((off, start), Photos(sight, dict.fromkeys(sight), lambda: None), Said(absent))
    return found.state.cameras is fit.state.cameras, asked


def test_of_a_doubtful_numbering_the_model_that_agrees_best_is_taken(exact, monkeypatch):
    sure, unsure = dict.fromkeys(View, 9.0), {**dict.fromkeys(View, 9.0), View.ANTERIOR: 0.1}
    assert reconsidered(exact, monkeypatch, sure) == (False, [])
    assert reconsidered(exact, monkeypatch, unsure) == (True, ["resighted"])


def test_all_teeth_are_tried_where_one_is_missing(exact, monkeypatch):
    unsure = dict.fromkeys(View, 0.1)
    monkeypatch.setattr(synthesis, "filled", lambda found, *_: found)
    assert reconsidered(exact, monkeypatch, unsure, (37, 46, 47))[1] == ["resighted", "complete"]
    monkeypatch.undo()
    assert reconsidered(exact, monkeypatch, unsure, (37, 46, 47))[1] == ["resighted"]
    assert reconsidered(exact, monkeypatch, unsure, (37,))[1] == ["resighted"]


class Sparse(Eyes):
    """A photo that agrees a little less with a model the more teeth it has."""

    def explained(self, expected, one_jaw):
        return 1.0 - 0.005 * len(np.unique(expected))


class Blind(Eyes):
    """A photo that agrees with every model."""

    def explained(self, expected, one_jaw):
        return 1.0


@pytest.mark.parametrize("belied", [False, True])
def test_of_models_that_no_photo_belies_more_teeth_are_better(exact, monkeypatch, belied):
    fit, whole = exact
    sight = {view: Blind(labels) for view, labels in whole.labels.items()}
    sight[View.MANDIBULAR_OCCLUSAL] = Sparse(whole.labels[View.MANDIBULAR_OCCLUSAL])
    photos = Photos(sight, dict.fromkeys(sight), lambda: None)
    found = photos.look(*without(exact, 46))
    monkeypatch.setattr(synthesis, "resighted", lambda found, _photos: found)
    monkeypatch.setattr(synthesis, "complete", lambda *_: photos.look(fit, whole))
    monkeypatch.setattr(synthesis, "_completed", lambda found, *_: found)
    if belied:  # between what the two models leave
        monkeypatch.setattr(explained, "_AGREED_OCCLUSAL", 0.964)
        monkeypatch.setattr(explained, "_VOUCHED", 1.1)
    best = synthesis._reconsidered(found, photos, frozenset())
    assert (best.numbered.present == whole.present) != belied


def scene(exact, missing, shown):
    """The exact model without a tooth before photos that show some labels."""
    fit, numbered = without(exact, missing)
    sight = {view: Eyes(labels) for view, labels in shown.items()}
    found = Photos(sight, dict.fromkeys(sight), lambda: None).look(fit, numbered)
    return Scene(found.arch, numbered.present, found.cameras, sight, found.expected)


@pytest.mark.parametrize("missing", [46, 21, 37])
def test_a_gap_is_empty_where_no_photo_shows_a_tooth(exact, missing):
    whole, gap = exact[1].labels, without(exact, missing)[1].labels
    occlusal = next(view for view in whole if view.is_occlusal and missing in whole[view])
    one = {**gap, occlusal: whole[occlusal]}
    others = {**whole, occlusal: gap[occlusal]}

    def found(shown):
        return gaps(scene(exact, missing, shown), frozenset({missing}))[missing]

    assert found(gap) is Gap.EMPTY
    assert found(whole) is found(one) is Gap.FILLED
    assert found(others) is (Gap.EMPTY if missing == 37 else Gap.FILLED)  # cheeks hide that from the others


def test_the_place_of_a_tooth_that_another_covers_is_taken(exact):
    before = scene(exact, 46, exact[1].labels)
    covered = {view: np.where(image > 0, image, 47) for view, image in before.expected.items()}
    assert gaps(replace(before, expected=covered), frozenset({46})) == {46: Gap.TAKEN}
