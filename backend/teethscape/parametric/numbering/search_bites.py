"""The search for better numbers of the bite photos, beside a numbering of all photos."""

from __future__ import annotations

from collections.abc import Iterable

from teethscape.dental.views import BITE_VIEWS, View
from teethscape.parametric.numbering.arch_view import conflict, in_front
from teethscape.parametric.numbering.bite_read import read_bites
from teethscape.parametric.numbering.bite_search import moved_along, moved_sides
from teethscape.parametric.numbering.margins import Margins
from teethscape.parametric.numbering.photo_set import PhotoSet
from teethscape.parametric.numbering.proposals import Proposal, bite_task
from teethscape.parametric.numbering.rivals import (
    ROUNDS,
    Rival,
    Settled,
    aimed_rivals,
    aimed_together,
    populated,
    renumbered,
    settle,
    weigh_rival,
)
from teethscape.parametric.numbering.ticks import Ticks

#: Proposals that are weighed again as rivals of a bite view's numbers.
_MOST_PROPOSED = 3


class BiteSearch:
    """Weighs other numbers of the bite views.

    Args:
        photos: all photos.
        margins: where the leads are noted.
        ticks: told of every step.

    Attributes:
        tasks: what is asked in each bite view.
        proposals: numbers that each may have, likeliest first.
    """

    def __init__(self, photos: PhotoSet, margins: Margins, ticks: Ticks) -> None:
        self._photos, self._margins, self._ticks = photos, margins, ticks
        self.tasks = {view: bite_task(photos, view) for view in BITE_VIEWS}
        self.proposals: dict[View, list[Proposal]] = {}

    def at_rest(self, settled: Settled) -> Settled:
        """Read the bite views' numbers again and fit, until they stay."""
        for _ in range(ROUNDS):
            teeth = read_bites(self._photos, settled.guess)
            if all((teeth[v] == settled.guess.views[v].tooth).all() for v in teeth):
                break
            settled = settle(renumbered(settled.guess, settled.guess.layout, teeth), self._photos.outline)
        return settled

    def each(self, settled: Settled) -> Settled:
        """Weigh other numbers of each bite view until none is better."""
        for _ in range(ROUNDS):
            changed = False
            for view in self.tasks:
                rivals = self._rivals(settled, view)
                best = min(rivals, key=lambda r: r.behind, default=None)
                self._doubt(settled, view, rivals)
                if best and best.behind < 0:
                    settled, changed = self.at_rest(settle(best.guess, self._photos.outline)), True
            if not changed:
                break
        return settled

    def sides(self, settled: Settled) -> Settled:
        """Weigh the numbers of a jaw moved by a tooth in both buccal views at once."""
        moved = [
            views
            for views in moved_sides(settled.guess.views, populated(settled.guess))
            if all(self._photos.agrees(view, seen.tooth) for view, seen in views.items())
        ]
        rivals = [weigh_rival(settled, aimed_together(settled, views)) for views in self._ticks.over(moved)]
        best = min(rivals, key=lambda rival: rival.behind, default=None)
        if best is None or best.behind >= 0:
            if best is not None:
                self._margins.doubt(settled.guess, best)
            return settled
        return self.at_rest(self.each(self.at_rest(settle(best.guess, self._photos.outline))))

    def _rivals(self, settled: Settled, view: View) -> list[Rival]:
        """Other numbers of a bite view: what was proposed first, and the present ones moved along."""
        now = settled.guess.views[view]
        others = [p.numbered for p in self.proposals[view][:_MOST_PROPOSED]]
        others += moved_along(now, populated(settled.guess))
        told = settled.rows[view].instance
        others = [other for other in others if self._photos.agrees(view, other.tooth)]
        unlike = {o.tooth.tobytes(): o for o in others if conflict(o.tooth[told], now.tooth[told])}
        guesses = aimed_rivals(settled, view, unlike.values())
        return [weigh_rival(settled, guess) for guess in self._ticks.over(guesses)]

    def _doubt(self, settled: Settled, view: View, rivals: Iterable[Rival]) -> None:
        """Note by how much the next rival of a bite view's numbers is behind."""
        now, fdi = settled.guess.views[view].tooth, settled.guess.layout.prior.fdi
        unlike = [r for r in rivals if in_front(view, now, r.guess.views[view].tooth, fdi)]
        best = min(unlike, key=lambda r: r.behind, default=None)
        if best is None:
            self._margins.note(view, float("inf"), None)
        else:
            self._margins.note(view, abs(best.behind), best.guess.views[view].tooth)
