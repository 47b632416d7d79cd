"""Rows of teeth that all bite photos name a tooth too far forward."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.dataset.patient_case import make_patient, random_recipe
from teethscape.dental.views import View
from teethscape.parametric.arch import ArchState
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.numbering.moved_back import called_next, moved_back
from teethscape.parametric.numbering.rivals import renumbered, settle
from teethscape.parametric.prior import load_prior

from .scenes import searched

PRIOR = load_prior()
INDEX = {number: k for k, number in enumerate(PRIOR.fdi)} | {0: -1}
LOWER = View.MANDIBULAR_OCCLUSAL


def guessed(missing: set[int], **numbers: list[int]) -> Guess:
    """A guess by the FDI numbers of the labels of some views, 0 for none."""
    views = {}
    for name, row in numbers.items():
        tooth = np.array([INDEX[n] for n in row])
        views[View[name]] = SimpleNamespace(tooth=tooth, used=np.flatnonzero(tooth >= 0))
    return Guess(Layouts(PRIOR).get(frozenset(missing)), ArchState.mean(len(PRIOR.fdi)), views)


def test_a_tooth_and_those_behind_it_are_called_the_next_in_the_bite_photos():
    guess = guessed(
        {41, 42},
        MANDIBULAR_OCCLUSAL=[43, 44, 31],
        ANTERIOR=[41, 42, 43, 31, 0],
        RIGHT_BUCCAL=[42, 44, 47, 11],
    )
    teeth = called_next(guess, INDEX[41])
    called = {view: [([*PRIOR.fdi, 0])[t] for t in tooth] for view, tooth in teeth.items()}
    assert called == {
        LOWER: [43, 44, 31],
        View.ANTERIOR: [42, 43, 44, 31, 0],
        View.RIGHT_BUCCAL: [43, 45, 0, 11],
    }


def test_missing_teeth_are_skipped_and_the_user_is_heard():
    guess = guessed({41, 42, 43}, ANTERIOR=[41, 44, 31])
    tooth = called_next(guess, INDEX[41])[View.ANTERIOR]
    assert [PRIOR.fdi[t] for t in tooth] == [44, 45, 31]
    photos = SimpleNamespace(agrees=lambda view, tooth: False)
    assert moved_back(photos, guess, INDEX[41]) is None
    assert moved_back(photos, guess, INDEX[43]) is None  # no label has its number


@pytest.mark.slow
def test_bite_photos_that_all_begin_a_tooth_too_early_are_moved_back():
    recipe = random_recipe(np.random.default_rng(3), missing=0)
    gap = replace(recipe.dentition, missing=frozenset({41}))
    search, found = searched(make_patient(PRIOR, 3, replace(recipe, dentition=gap)))
    right = found.settled.guess
    ahead = {INDEX[number]: INDEX[number - 1] for number in range(42, 48)}
    teeth = {
        view: seen.tooth if view.is_occlusal else np.array([ahead.get(t, t) for t in map(int, seen.tooth)])
        for view, seen in right.views.items()
    }
    wrong = settle(renumbered(right, right.layout, teeth), search.photos.outline)
    assert search.arches.unlabelled(wrong.guess) == {INDEX[41]}
    again = search._moved_back(wrong, INDEX[41]).guess
    for view in right.views:
        np.testing.assert_array_equal(again.views[view].tooth, right.views[view].tooth)
