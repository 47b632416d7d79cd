"""The search for the numbering that explains the outlines of all photos best."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.numbering.arch_view import ArchView
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.layout import beside
from teethscape.parametric.numbering.margins import Margins
from teethscape.parametric.numbering.moved_back import moved_back
from teethscape.parametric.numbering.photo_set import UNCERTAIN_ADVICE, PhotoSet
from teethscape.parametric.numbering.proposals import Proposer, fitted_anew
from teethscape.parametric.numbering.reopen import reopened
from teethscape.parametric.numbering.rivals import ROUNDS, Settled, duel, renumbered, settle, weigh_rival
from teethscape.parametric.numbering.search_arches import (
    CLOSE,
    UNEXPLAINED_COST,
    ArchSearch,
    unexplained_cost,
)
from teethscape.parametric.numbering.search_bites import BiteSearch
from teethscape.parametric.numbering.ticks import Ticks
from teethscape.parametric.numbering.unclear import (
    clearest_first,
    doubtful_views,
    unclear_views,
    whole_named,
)


@dataclass(frozen=True)
class Found:
    """The best numbering of all views.

    Attributes:
        settled: the numbering at rest.
        margin: per view, the nats to its next rival.
        rival: per view, the teeth (indices into ``prior.fdi``) that this rival names.
    """

    settled: Settled
    margin: Mapping[View, float]
    rival: Mapping[View, frozenset[int]]


class Search:
    """Looks for the numbering that explains all outlines best.

    Args:
        photos: all photos.
        arches: what the occlusal ones may show.
        ticks: told of every step.
        thorough: begin from all proposals for the bite views, also where the likeliest fit well.

    Attributes:
        brief: whether the search began from the likeliest alone.
    """

    def __init__(
        self, photos: PhotoSet, arches: Mapping[Jaw, ArchView], ticks: Ticks, thorough: bool = False
    ) -> None:
        self.photos, self.ticks, self.thorough = photos, ticks, thorough
        self.brief = False
        self.views = {jaw: seen.view for jaw, seen in arches.items()}
        self.margins = Margins()
        self.bites = BiteSearch(photos, self.margins, ticks)
        self.arches = ArchSearch(photos, arches, self.margins, ticks, self.bites.at_rest)

    def run(self) -> Found:
        """Improve the bite views' numbers, then the arches', until neither changes."""
        start, belief = self.arches.start()
        proposer, tasks = Proposer(self.photos, start, belief, self.ticks), self.bites.tasks
        likeliest = {} if self.thorough else proposer.likeliest(tasks)
        self.brief = bool(likeliest)
        self.bites.proposals = likeliest or {view: proposer.proposals(task) for view, task in tasks.items()}
        settled = self._begun(start)
        for _ in range(ROUNDS):
            settled = self.bites.sides(self.bites.at_rest(self.bites.each(settled)))
            settled, changed = self.arches.better(settled)
            if not changed:
                break
        return self._found(self._questioned(self._anew(settled), start))

    def _questioned(self, settled: Settled, start: Guess) -> Settled:
        """Weigh the numbers against others wherever the occlusal photos speak against them."""
        unlabelled = self.arches.unlabelled
        extra = unlabelled(settled.guess)
        for avoided in [extra, *({tooth} for tooth in sorted(extra) if len(extra) > 1)]:
            if avoided and avoided <= unlabelled(settled.guess):
                settled = self._without(settled, avoided, start)
        for tooth in sorted(unlabelled(settled.guess)):
            settled = self._moved_back(settled, tooth)
        for tooth in sorted(unlabelled(settled.guess)):
            settled = self._beside_closed(settled, tooth)
        for number in sorted(settled.guess.layout.closed - self.photos.absent):
            settled = self._reopened(settled, number)
        return settled

    def _found(self, settled: Settled) -> Found:
        """The numbering with its margins; none where a view is unclear or contradicted, or an arch torn."""
        doubtful = (*doubtful_views(self.photos, settled.guess), *self.arches.torn)
        margins = self.margins.without_lead(doubtful)
        return Found(settled, margins.nats, margins.rival)

    def _begun(self, start: Guess, avoided: Collection[int] = ()) -> Settled:
        """The likeliest numbers of each bite view that name none of some teeth, all views fitted."""
        views = {}
        for view, found in self.bites.proposals.items():
            fit = [p.numbered for p in found if not np.isin(p.numbered.tooth, list(avoided)).any()]
            if not fit and not avoided:
                _refuse_view(view)
            views[view] = fit[0] if fit else found[0].numbered
        return settle(replace(start, views={**start.views, **views}), self.photos.outline)

    def _without(self, settled: Settled, extra: Collection[int], start: Guess) -> Settled:
        """Weigh the numbers against those that only teeth of the occlusal photos have."""
        kept = self.margins.copy()
        other = self.bites.each(self.bites.at_rest(self._begun(start, extra)))
        rival = weigh_rival(settled, other.guess)
        other, fared = duel(settled, rival, self.photos.outline)
        if fared.behind >= 0:
            self.margins.restore(kept)
        self.margins.doubt(settled.guess, fared)
        return self.bites.at_rest(other) if fared.behind < 0 else settled

    def _anew(self, settled: Settled) -> Settled:
        """While a bite view is unclear, weigh numbers begun from one bite view and the occlusal ones."""
        for anchor in clearest_first(self.photos, settled.guess):
            if not unclear_views(self.photos, settled.guess):
                break
            settled = self._begun_from(settled, anchor)
        return settled

    def _begun_from(self, settled: Settled, anchor: View) -> Settled:
        """Weigh the numbers against those that the other bite views get beside one of them."""
        tasks = {view: task for view, task in self.bites.tasks.items() if view is not anchor}
        firm = {view: seen for view, seen in settled.guess.views.items() if view not in tasks}
        kept, proposed = self.margins.copy(), self.bites.proposals
        start, belief = fitted_anew(self.photos, firm, settled.guess.layout)
        proposer = Proposer(self.photos, start, belief, self.ticks)
        new = {view: proposer.proposals(task) for view, task in tasks.items()}
        if all(new.values()):
            self.bites.proposals = {**proposed, **new}
            views = {view: found[0].numbered for view, found in new.items()}
            begun = settle(replace(start, views={**start.views, **views}), self.photos.outline)
            other = self.bites.each(self.bites.at_rest(begun)).guess
            found, fared = duel(settled, weigh_rival(settled, other), self.photos.outline)
            gained = whole_named(self.photos, other) - whole_named(self.photos, settled.guess)
            if fared.behind < UNEXPLAINED_COST * gained:
                return self.bites.at_rest(found)
        self.margins.restore(kept)
        self.bites.proposals = proposed
        return settled

    def _moved_back(self, settled: Settled, tooth: int) -> Settled:
        """Weigh whether a tooth that its occlusal photo lacks is the next one, and so are all behind it."""
        guess = moved_back(self.photos, settled.guess, tooth)
        rival = None if guess is None else weigh_rival(settled, guess)
        if rival is None or rival.behind >= CLOSE:
            return settled
        found, fared = duel(settled, rival, self.photos.outline)
        unexplained = unexplained_cost(self.photos, settled.guess, fared.guess)
        fared = replace(fared, behind=fared.behind + unexplained)
        self.margins.doubt(settled.guess, fared)
        return self.bites.at_rest(found) if fared.behind < 0 else settled

    def _beside_closed(self, settled: Settled, tooth: int) -> Settled:
        """Weigh whether a tooth that its occlusal photo lacks is the neighbour held to be missing."""
        guess, layout = settled.guess, settled.guess.layout
        fdi = layout.prior.fdi
        for other in beside(layout.prior, tooth):
            if fdi[other] not in layout.closed:
                continue
            closed = layout.closed - {fdi[other]} | {fdi[tooth]}
            table = np.arange(-1, len(fdi))  # shifted by one: -1 stays -1
            table[tooth + 1] = other
            teeth = guess.renamed(table)
            if not all(self.photos.agrees(view, named) for view, named in teeth.items()):
                continue
            renamed = renumbered(guess, self.photos.layouts.get(layout.missing, closed), teeth)
            found, fared = duel(settled, weigh_rival(settled, renamed), self.photos.outline)
            self.margins.doubt(guess, fared)
            if fared.behind < 0:
                return found
        return settled

    def _reopened(self, settled: Settled, number: int) -> Settled:
        """Weigh whether a tooth whose gap is held to have closed is there, as bite photos say."""
        guess = reopened(self.photos, settled.guess, number)
        if guess is None:
            return settled
        found, fared = duel(settled, weigh_rival(settled, guess), self.photos.outline)
        lead = fared.behind - UNEXPLAINED_COST * (guess.labels - settled.guess.labels)
        view, nats = self.views[jaw_of(number)], self.margins.nats
        if lead < 0:  # what came next to a closed gap is farther off now
            nats[view] = -lead
            return self.bites.at_rest(found)
        nats[view] = min(nats[view], lead)
        return settled


def _refuse_view(view: View) -> None:
    """Refuse a photo whose teeth match no arch."""
    raise RefusedError(
        "numbering_uncertain",
        f"The teeth in the {view.title} photo cannot be numbered.",
        UNCERTAIN_ADVICE,
    )
