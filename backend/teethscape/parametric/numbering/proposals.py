"""First numbers of the bite views: moments propose, the outlines of three views choose.

Each proposal is fitted together with the occlusal views, which know the arches already.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from teethscape.dental.views import View
from teethscape.parametric.numbering.bite import BiteView, bite_view
from teethscape.parametric.numbering.bite_search import Beam, Starts, moved_along, options
from teethscape.parametric.numbering.fit import Effort, Guess, fit_outlines
from teethscape.parametric.numbering.hulls import FORMS
from teethscape.parametric.numbering.joint import Belief, NumberedView, fit_joint
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.numbering.outline import ViewRows
from teethscape.parametric.numbering.photo_set import SCRAP, PhotoSet
from teethscape.parametric.numbering.rivals import (
    DISBELIEVED_COST,
    Settled,
    aimed_rivals,
    populated,
    rows_of,
    settle,
    unfit,
)
from teethscape.parametric.numbering.ticks import Ticks
from teethscape.parametric.numbering.unclear import whole_labels

#: Cost in nats of an instance without a number.
_LEFT_OUT_COST = 30.0
#: Proposals by moments that are weighed by outlines.
_MOST = 6
#: Times that a better proposal is moved along the arches in its turn.
_ROUNDS = 2
_FEWEST = 4
#: Instances of a row of a bite view from which its first cameras are found.
_MOST_IN_ROW = 10
#: Mean energy per extent below which a view's outlines bear its numbers well, nats.  Of 89 sets of synthetic
#: patients 22 are borne so; with all proposals one of them came out otherwise (right, then refused).
_WELL = 0.15
_FIRST, _THEN, _LAST = Effort(4, loose=8.0), Effort(4, loose=2.0), Effort(4)


@dataclass(frozen=True)
class Proposal:
    """Numbers of one bite view that its outlines can bear.

    Attributes:
        settled: the occlusal views and this one, fitted.
        numbered: the view with its camera.
        cost: nats; with what numbers left out and extents not believed cost.
    """

    settled: Settled
    numbered: NumberedView
    cost: float


class Proposer:
    """Proposes numbers for bite views.

    Args:
        photos: all photos.
        start: the occlusal views, fitted.
        belief: what they say about the teeth, by moments.
        ticks: told of every step.
    """

    def __init__(self, photos: PhotoSet, start: Guess, belief: Belief, ticks: Ticks) -> None:
        self.photos, self.start, self.belief, self.ticks = photos, start, belief, ticks
        self.rows = rows_of(start, photos.outline)
        self._starts: dict[View, list[Starts]] = {}
        self._first: dict[View, tuple[NumberedView, Proposal]] = {}

    def likeliest(self, tasks: Mapping[View, BiteView]) -> dict[View, list[Proposal]]:
        """The likeliest numbers of every bite view, nothing where some outlines do not bear theirs well.

        What they miss by a tooth will be weighed all the same.  Beside closed gaps numbers that fit well
        may be wrong by more.
        """
        if self.start.layout.closed:
            return {}
        out: dict[View, list[Proposal]] = {}
        for view, task in tasks.items():
            found = _unlike([starts.best(1) for starts in self._started(task)], view)
            if not found:
                return {}
            first = self._weighed(view, found[0])
            self._first[view], out[view] = (found[0], first), [first]
            if not _borne_well(self.photos, first, view):
                return {}
        return out

    def proposals(self, task: BiteView) -> list[Proposal]:
        """Numbers of one view, best first."""
        found = _unlike([options(starts) for starts in self._started(task)], task.view)[:_MOST]
        if not found:
            return []
        known, best = self._first.get(task.view, (None, None))
        if best is None or known is not found[0]:
            best = self._weighed(task.view, found[0])
        tried = {_key(best.numbered): best}
        for _ in range(_ROUNDS):
            moves = moved_along(best.numbered, populated(best.settled.guess))
            new = {
                _key(m): m
                for m in (*found[1:], *moves)
                if self._may_be(task.view, m) and _key(m) not in tried
            }
            for guess in self.ticks.over(aimed_rivals(best.settled, task.view, new.values())):
                numbered = guess.views[task.view]
                tried[_key(numbered)] = self._weighed(task.view, numbered)
            before, best = best, min(tried.values(), key=lambda p: p.cost)
            if best is before:
                break
        return sorted(tried.values(), key=lambda p: p.cost)

    def _may_be(self, view: View, numbered: NumberedView) -> bool:
        """Whether enough instances have a number, and those that the user named have theirs."""
        return len(numbered.used) >= _FEWEST and self.photos.agrees(view, numbered.tooth)

    def _started(self, task: BiteView) -> list[Starts]:
        """What the first cameras of a view lead to, for each belief."""
        if task.view not in self._starts:
            self._starts[task.view] = [Starts(task, belief) for belief in self._beliefs]
        return self._starts[task.view]

    @cached_property
    def _beliefs(self) -> list[Belief]:
        """What is held about the teeth: without, and with, those that the occlusal photos do not show."""
        layout = self.belief.layout
        possible = np.array([f not in layout.closed | self.photos.absent for f in layout.prior.fdi])
        if not (possible & ~layout.present).any():
            return [self.belief]
        return [self.belief, replace(self.belief, layout=replace(layout, present=possible))]

    def _weighed(self, view: View, numbered: NumberedView) -> Proposal:
        guess = replace(self.start, views={**self.start.views, view: numbered})
        rows = self._rows(guess, view, covered=False)
        offered = len(rows[view])
        found = fit_outlines(guess, rows, _FIRST)
        for effort in (_THEN, _LAST):
            rows = self._rows(found.guess, view)
            found = fit_outlines(found.guess, rows, effort)
        numbered = found.guess.views[view]
        cost = found.energy + _LEFT_OUT_COST * (len(numbered.tooth) - len(numbered.used))
        cost += DISBELIEVED_COST * (offered - len(rows[view]))
        cost += float(numbered.kinds(self.start.layout.prior.fdi).sum())
        return Proposal(Settled(found, rows, _LAST), numbered, cost)

    def _rows(self, guess: Guess, view: View, covered: bool = True) -> dict[View, ViewRows]:
        """The extents that count: of the occlusal views as they were, of this one as it is now."""
        alone = replace(guess, views={view: guess.views[view]})
        return {**self.rows, **rows_of(alone, {view: self.photos.outline[view]}, covered)}


def fitted_anew(photos: PhotoSet, views: Mapping[View, NumberedView], layout: Layout) -> tuple[Guess, Belief]:
    """What proposals begin from: cameras and teeth that some views ask for, by outlines and by moments."""
    fit = fit_joint(views, Belief.before(layout), rounds=3)
    state = replace(fit.belief.state, shape=np.zeros((len(layout.prior.fdi), FORMS)))
    return settle(Guess(fit.belief.layout, state, fit.views), photos.outline).guess, fit.belief


def _unlike(found: Iterable[Iterable[Beam]], view: View) -> list[NumberedView]:
    """Different numbers of a view, likeliest first."""
    out: dict[bytes, NumberedView] = {}
    for beam in sorted(itertools.chain.from_iterable(found), key=lambda beam: beam.cost):
        out.setdefault(_key(beam.views[view]), beam.views[view])
    return list(out.values())


def _borne_well(photos: PhotoSet, proposal: Proposal, view: View) -> bool:
    """Whether all whole labels of a view that got numbers look like their teeth."""
    whole = frozenset(map(int, np.flatnonzero(whole_labels(photos, view))))
    rows, weighed = proposal.settled.rows[view].only(whole), proposal.settled.weighed
    misfit = sum(weighed.misfit[view][int(k)] for k in rows.instance)
    return not unfit(weighed, view, rows) and misfit < _WELL * len(rows)


def _key(numbered: NumberedView) -> bytes:
    return numbered.tooth.tobytes()


def bite_task(photos: PhotoSet, view: View) -> BiteView:
    """A bite view whose rows begin with their largest instances: scraps make no row."""
    found = photos.found[view]
    jaws = dict(photos.views[view].jaw_of or {}) or None
    task = bite_view(view, found, jaws, photos.frame[view])
    sure = np.zeros(len(found), bool)
    for lower in (False, True):
        row = np.flatnonzero((task.lower == lower) & task.sure & (found.area > SCRAP * np.median(found.area)))
        sure[row[np.argsort(-found.area[row])[:_MOST_IN_ROW]]] = True
    names = photos.names(view)
    return replace(task, sure=sure, names=names if (names >= 0).any() else None)
