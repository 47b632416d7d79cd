"""Bite photos whose numbers leave whole labels without one."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.dataset.patient_case import make_patient
from teethscape.dental.fdi import PLACES
from teethscape.dental.views import BITE_VIEWS, View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.numbering.bite_search import shifted
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.hulls import FORMS
from teethscape.parametric.numbering.joint import NumberedView
from teethscape.parametric.numbering.kinds import kind_costs
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.numbering.measure import Instances
from teethscape.parametric.numbering.number import number_teeth
from teethscape.parametric.numbering.rivals import renumbered, settle
from teethscape.parametric.numbering.search import Search
from teethscape.parametric.numbering.unclear import (
    clearest_first,
    contradicted_views,
    unclear_views,
    whole_named,
)
from teethscape.parametric.prior import load_prior

from .scenes import looking, searched, views_of

PRIOR = load_prior()


@pytest.mark.parametrize(
    ("area", "tooth", "expected"),
    [
        ([90.0, 100.0, 110.0, 95.0], [3, 4, -1, 5], False),  # one of four
        ([90.0, 100.0, 110.0, 95.0], [3, -1, -1, 5], True),
        ([90.0, 100.0, 20.0, 25.0, 95.0], [3, 4, -1, -1, 5], False),  # slivers need no number
    ],
)
def test_a_view_is_unclear_where_many_whole_labels_have_no_number(area, tooth, expected):
    photos, guess = seen({View.ANTERIOR: (area, tooth)})
    assert (View.ANTERIOR in unclear_views(photos, guess)) is expected
    photos.names = lambda _view: np.array([-1, 3])
    assert unclear_views(photos, guess) == ()  # the user has named a tooth there


def test_the_clearest_view_comes_first_and_slivers_do_not_count():
    photos, guess = seen(
        {
            View.ANTERIOR: ([90.0, 100.0, 20.0], [3, -1, 4]),
            View.LEFT_BUCCAL: ([90.0, 100.0, 20.0], [-1, -1, -1]),
            View.RIGHT_BUCCAL: ([90.0, 100.0, 20.0], [3, 4, -1]),
        }
    )
    assert clearest_first(photos, guess) == [View.RIGHT_BUCCAL, View.ANTERIOR, View.LEFT_BUCCAL]
    assert whole_named(photos, guess) == 3


def seen(views: dict[View, tuple[list[float], list[int]]]) -> tuple[SimpleNamespace, Guess]:
    """Areas and teeth of the labels of some bite views, one right label in the others."""
    views = {view: views.get(view, ([100.0], [0])) for view in BITE_VIEWS}
    named = {}
    for view, (area, tooth) in views.items():
        n = len(area)
        moments = np.zeros((n, 2)), np.array(area), np.zeros((n, 2, 2)), np.ones(n, bool)
        found = Instances(np.arange(1, n + 1, dtype=np.int32), *moments, np.zeros((n, PLACES)))
        named[view] = NumberedView(
            found, np.array(tooth), looking(view, Arch(PRIOR, ArchState.mean(28))), (7.0, 0.1)
        )
    layout = Layouts(PRIOR).get(frozenset())
    guess = Guess(layout, ArchState.mean(28, FORMS), named)
    found = {view: own.found for view, own in named.items()}
    return SimpleNamespace(found=found, names=lambda _view: np.array([-1])), guess


def test_rows_whose_kinds_speak_for_the_next_place_are_told():
    teeth = [PRIOR.fdi.index(fdi) for fdi in (12, 11, 21, 22, 23, 24)]
    photos, guess = seen({View.LEFT_BUCCAL: ([100.0] * len(teeth), teeth)})
    assert contradicted_views(photos, guess) == ()  # nothing is known of kinds
    row = guess.views[View.LEFT_BUCCAL]
    for fdi, told in (((12, 11, 21, 22, 23, 24), ()), ((13, 12, 11, 21, 22, 23), (View.LEFT_BUCCAL,))):
        sure = {i: np.eye(PLACES)[number % 10 - 1] for i, number in enumerate(fdi, 1)}
        known = replace(row.found, kind_cost=kind_costs(row.found.ids, sure))
        other = replace(guess, views={**guess.views, View.LEFT_BUCCAL: replace(row, found=known)})
        assert contradicted_views(photos, other) == told
    assert unclear_views(photos, other) == (View.LEFT_BUCCAL,)
    photos.names = lambda _view: np.array([-1, 3])
    assert contradicted_views(photos, other) == ()  # the user has named a tooth there


@pytest.mark.slow
def test_two_photos_that_agree_on_a_wrong_bite_are_numbered_anew():
    search, found = searched(make_patient(PRIOR, 3))
    right = found.settled.guess
    wrong = settle(misled(right), search.photos.outline)
    assert unclear_views(search.photos, wrong.guess) == (View.ANTERIOR, View.LEFT_BUCCAL)
    again = search._anew(wrong).guess
    for view in right.views:
        np.testing.assert_array_equal(again.views[view].tooth, right.views[view].tooth)


def misled(right):
    """Two bite views with numbers moved along, the lower teeth by two, every second of which is left out."""
    teeth = {view: numbered.tooth for view, numbered in right.views.items()}
    for view in (View.ANTERIOR, View.LEFT_BUCCAL):
        moved = shifted(teeth[view], right.layout, (-1, -2))
        moved[np.flatnonzero(moved >= 0)[::2]] = -1
        teeth[view] = moved
    return renumbered(right, right.layout, teeth)


@pytest.mark.slow
def test_a_search_that_began_briefly_and_ends_in_doubt_is_made_again_from_all_proposals(monkeypatch):
    searches = []
    run = Search.run

    def doubted(self):
        found = run(self)
        searches.append((self.thorough, self.brief))
        return found if self.thorough else replace(found, margin=dict.fromkeys(found.margin, 0.0))

    monkeypatch.setattr(Search, "run", doubted)
    patient = make_patient(PRIOR, 3)
    assert number_teeth(views_of(patient), PRIOR).present == frozenset(patient.crowns)
    assert searches == [(False, True), (True, False)]
