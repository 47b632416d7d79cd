"""The rules by which the search doubts numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.dental.fdi import UPPER_ARCH, Jaw
from teethscape.dental.views import View
from teethscape.parametric.numbering import search, search_arches
from teethscape.parametric.numbering.arch_view import ArchView
from teethscape.parametric.numbering.bite_read import votes_for, without_lone
from teethscape.parametric.numbering.bite_search import moved_sides
from teethscape.parametric.numbering.joint import NumberedView
from teethscape.parametric.numbering.layout import Layouts, jaw_rows
from teethscape.parametric.numbering.margins import Margins
from teethscape.parametric.numbering.rivals import _excess
from teethscape.parametric.numbering.search import Search
from teethscape.parametric.numbering.search_arches import ArchSearch, unexplained_cost
from teethscape.parametric.prior import load_prior

PRIOR = load_prior()
LAYOUTS = Layouts(PRIOR)
ROWS = jaw_rows(PRIOR, Jaw.UPPER)


def photos(areas: dict[int, float] | None = None) -> SimpleNamespace:
    """What the rules need of the photos: the user's word, and the instances' areas."""
    areas = areas or {}
    found = SimpleNamespace(ids=np.array(list(areas)), area=np.array(list(areas.values())))
    return SimpleNamespace(absent=frozenset(), found={View.ANTERIOR: found})


def arch_view(numbers: tuple[int, ...], behind: int = 0) -> SimpleNamespace:
    """An upper arch with the given numbers in order, and scraps behind its last instance."""
    judge = SimpleNamespace(rows=ROWS, layouts=LAYOUTS)
    return SimpleNamespace(
        judge=judge, choice=candidate(numbers), largest=np.arange(len(numbers)), count=len(numbers) + behind
    )


def candidate(numbers: tuple[int, ...], closed: tuple[int, ...] = ()) -> SimpleNamespace:
    tooth = np.array([PRIOR.fdi.index(n) for n in numbers])
    return SimpleNamespace(tooth=tooth, prior_cost=1.0, layout=SimpleNamespace(closed=frozenset(closed)))


def test_a_lone_tooth_behind_an_open_gap_keeps_no_number():
    guess = SimpleNamespace(layout=LAYOUTS.get(frozenset({16})))
    assert without_lone(photos(), guess, {1: 14, 2: 15, 3: 17}) == {1: 14, 2: 15}
    assert without_lone(photos(), guess, {1: 15, 2: 26, 3: 27}) == {1: 15, 2: 26, 3: 27}
    closed = SimpleNamespace(layout=LAYOUTS.get(frozenset({16}), frozenset({16})))
    assert without_lone(photos(), closed, {1: 15, 2: 17}) == {1: 15, 2: 17}


def test_one_photo_confirms_a_tooth_that_it_shows_well_beside_a_neighbour():
    seen = photos({1: 100.0, 2: 90.0, 3: 20.0, 4: 50.0})
    assert votes_for(seen, View.ANTERIOR, {1: 14, 2: 15, 3: 16}) == {14: 2, 15: 2, 16: 1}
    assert votes_for(seen, View.ANTERIOR, {1: 14, 3: 16}) == {14: 1, 16: 1}
    assert votes_for(seen, View.ANTERIOR, {1: 14, 4: 15, 2: 16}) == {14: 2, 15: 2, 16: 1}
    assert votes_for(seen, View.ANTERIOR, {1: 14, 4: 15}) == {14: 2, 15: 1}


def test_both_buccal_photos_move_to_the_back_or_to_the_front_together():
    layout = LAYOUTS.get(frozenset())
    tooth = {View.LEFT_BUCCAL: (23, 24, 33), View.RIGHT_BUCCAL: (13, 14, 43)}
    views = {
        view: NumberedView(None, np.array([PRIOR.fdi.index(n) for n in numbers]), None, (0.0, 1.0))
        for view, numbers in tooth.items()
    }
    moved = [
        tuple(tuple(PRIOR.fdi[t] for t in move[view].tooth) for view in tooth)
        for move in moved_sides(views, layout)
    ]
    assert moved == [
        ((24, 25, 33), (14, 15, 43)),
        ((22, 23, 33), (12, 13, 43)),
        ((23, 24, 34), (13, 14, 44)),
        ((23, 24, 32), (13, 14, 42)),
    ]


def test_scraps_behind_a_second_molar_cost_something():
    whole, short = candidate(UPPER_ARCH), candidate(UPPER_ARCH[:-1])
    assert ArchView.known_cost(arch_view(UPPER_ARCH), whole) == pytest.approx(1.0)
    assert ArchView.known_cost(arch_view(UPPER_ARCH, behind=1), whole) > 2.0
    assert ArchView.known_cost(arch_view(UPPER_ARCH[:-1], behind=1), short) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("before", "after", "trusted"),
    [(11, 21, 0.1), (13, 23, 0.1), (14, 15, 0.5), (25, 24, 0.5), (15, 24, 1.0), (11, 12, 1.0), (11, 11, 1.0)],
)
def test_which_of_two_like_teeth_is_left_is_not_told_by_a_small_lead(before, after, trusted):
    view = arch_view((16, before, 26))
    assert ArchView.trust(view, candidate((16, after, 26))) == trusted
    assert ArchView.trust(view, candidate((17, after, 26))) == 1.0
    view.choice = candidate((16, before, 26), closed=(25,))
    assert ArchView.trust(view, candidate((17, after, 26))) == (0.25 if before == after else 1.0)


def guess_of(numbers: dict[View, tuple[int, ...]]) -> SimpleNamespace:
    """A numbering of some views; 0 is no number."""
    views = {
        view: SimpleNamespace(
            tooth=np.array([PRIOR.fdi.index(n) if n else -1 for n in row]), is_occlusal=view.is_occlusal
        )
        for view, row in numbers.items()
    }
    return SimpleNamespace(views=views, layout=SimpleNamespace(prior=PRIOR))


def test_a_badly_drawn_label_hardly_tells_two_molars_apart():
    now = guess_of({View.MAXILLARY_OCCLUSAL: (25, 26, 27)})
    weighed = SimpleNamespace(guess=now, misfit={View.MAXILLARY_OCCLUSAL: {0: 5.0, 1: 30.0, 2: 4.0}})
    molar = guess_of({View.MAXILLARY_OCCLUSAL: (25, 27, 0)})
    premolar = guess_of({View.MAXILLARY_OCCLUSAL: (24, 25, 0)})
    assert _excess(weighed, molar) == 15.0
    assert _excess(weighed, premolar) == 0.0


def test_a_rival_pays_for_whole_labels_that_it_cannot_name(monkeypatch):
    now = guess_of({View.ANTERIOR: (11, 21, 22, 23)})
    read = {View.ANTERIOR: np.array([0, 1, -1, -1])}
    monkeypatch.setattr(search_arches, "read_bites", lambda _photos, _rival: read)
    areas = photos({1: 100.0, 2: 90.0, 3: 60.0, 4: 5.0})
    assert unexplained_cost(areas, now, None) == 6.0  # the last one is a sliver
    read[View.ANTERIOR] = np.array([0, 1, 2, -1])
    assert unexplained_cost(areas, now, None) == 0.0


def test_a_doubtful_view_and_a_torn_arch_have_no_lead_and_no_single_rival(monkeypatch):
    monkeypatch.setattr(search, "doubtful_views", lambda *_asked: (View.ANTERIOR, View.RIGHT_BUCCAL))
    torn = View.MAXILLARY_OCCLUSAL
    margin = {**dict.fromkeys(View, 20.0), View.LEFT_BUCCAL: 9.0}
    rival = {view: frozenset({4}) for view in margin}
    looked = SimpleNamespace(
        photos=None, margins=Margins(dict(margin), dict(rival)), arches=SimpleNamespace(torn=(torn,))
    )
    found = Search._found(looked, SimpleNamespace(guess=None))
    doubtful = View.ANTERIOR, View.RIGHT_BUCCAL, torn
    assert found.margin == {**margin, **dict.fromkeys(doubtful, 0.0)}
    assert found.rival == {**rival, **dict.fromkeys(doubtful, frozenset())}


def test_torn_arches_are_told_by_their_views():
    upper, lower = View.MAXILLARY_OCCLUSAL, View.MANDIBULAR_OCCLUSAL
    arches = {
        jaw: SimpleNamespace(view=v, is_torn=v is upper) for jaw, v in zip(Jaw, (upper, lower), strict=True)
    }
    assert ArchSearch(None, arches, Margins(), None, None).torn == (upper,)


def test_a_rival_that_renames_more_than_a_scrap_lowers_the_leads_where_it_does():
    now = guess_of({View.ANTERIOR: (11, 21, 22), View.LEFT_BUCCAL: (23, 24, 25)})
    other = guess_of({View.ANTERIOR: (11, 21, 22), View.LEFT_BUCCAL: (24, 25, 25)})
    margins = Margins(dict.fromkeys(now.views, 9.0), dict.fromkeys(now.views, frozenset()))
    kept = margins.copy()
    margins.doubt(now, SimpleNamespace(guess=other, behind=-4.0))
    assert margins.nats == {View.ANTERIOR: 9.0, View.LEFT_BUCCAL: 4.0}
    assert margins.rival[View.LEFT_BUCCAL] == {PRIOR.fdi.index(24), PRIOR.fdi.index(25)}
    margins.doubt(now, SimpleNamespace(guess=other, behind=6.0))
    assert margins.nats[View.LEFT_BUCCAL] == 4.0
    margins.restore(kept)
    assert margins == kept
    one = guess_of({View.ANTERIOR: (11, 21, 23), View.LEFT_BUCCAL: (23, 24, 25)})
    margins.doubt(now, SimpleNamespace(guess=one, behind=1.0))
    assert margins == kept
