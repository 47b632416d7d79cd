"""When other models than the first fit's are tried, and which is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.parametric import rounds, synthesis
from teethscape.parametric.overlooked import Scene, doubtful_gaps, empty_gaps
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
    monkeypatch.setattr(rounds, "fit_arches", lambda _evidence, _rough, _step, _schedule: off)
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


class Scored(Eyes):
    """A photo that agrees as far as it is told with a model that has a tooth, and without it by 0.9."""

    with_tooth: float = 0.9

    def explained(self, expected, one_jaw):
        return self.with_tooth if 46 in expected else 0.9

    def confirmed(self, expected):
        return self.explained(expected, False)


@pytest.mark.parametrize(
    ("buccal", "occlusal", "absent", "kept"),
    [
        (0.93, 0.88, (), True),  # one photo agrees better
        (0.9, 0.88, (), False),  # none does
        (0.93, 0.7, (), False),  # another belies it
        (0.93, 0.88, (46,), False),  # the user says that it is missing
    ],
)
def test_a_tooth_whose_place_is_in_doubt_is_tried(exact, monkeypatch, buccal, occlusal, absent, kept):
    fit, whole = exact
    sight = {view: Scored(labels) for view, labels in whole.labels.items()}
    sight[View.RIGHT_BUCCAL].with_tooth = buccal
    sight[View.MANDIBULAR_OCCLUSAL].with_tooth = occlusal
    photos = Photos(sight, dict.fromkeys(sight), lambda: None)
    found, full = photos.look(*without(exact, 46)), photos.look(fit, whole)
    monkeypatch.setattr(synthesis, "doubtful_gaps", lambda _scene, teeth: teeth)
    monkeypatch.setattr(synthesis, "filled", lambda *_: full)
    assert (synthesis._filled(found, photos, frozenset(absent)) is full) == kept


def scene(exact, missing, shown):
    """The exact model without a tooth before photos that show some labels."""
    fit, numbered = without(exact, missing)
    sight = {view: Eyes(labels) for view, labels in shown.items()}
    found = Photos(sight, dict.fromkeys(sight), lambda: None).look(fit, numbered)
    return Scene(found.arch, numbered.present, found.cameras, sight, found.expected)


@pytest.mark.parametrize("missing", [46, 21, 37])
def test_a_gap_is_in_doubt_where_a_photo_shows_a_tooth(exact, missing):
    whole, gap = exact[1].labels, without(exact, missing)[1].labels
    occlusal = next(view for view in whole if view.is_occlusal and missing in whole[view])
    one = {**gap, occlusal: whole[occlusal]}
    others = {**whole, occlusal: gap[occlusal]}

    def doubtful(shown):
        seen, one = scene(exact, missing, shown), frozenset({missing})
        assert doubtful_gaps(seen, one) == one - empty_gaps(seen, one)
        return doubtful_gaps(seen, one) == one

    assert not doubtful(gap)
    assert doubtful(whole)
    assert doubtful(one)
    assert doubtful(others) == (missing != 37)  # cheeks hide that from the others


def test_a_place_that_another_tooth_covers_is_not_in_doubt(exact):
    before = scene(exact, 46, exact[1].labels)
    covered = {view: np.where(image > 0, image, 47) for view, image in before.expected.items()}
    assert doubtful_gaps(replace(before, expected=covered), frozenset({46})) == frozenset()
    assert empty_gaps(replace(before, expected=covered), frozenset({46})) == frozenset()
