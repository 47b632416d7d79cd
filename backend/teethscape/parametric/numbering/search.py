"""The search for the numbering that explains the outlines of all photos best."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, arch, jaw_of
from teethscape.dental.views import BITE_VIEWS, View
from teethscape.errors import RefusedError
from teethscape.parametric.numbering.arch_view import ArchView, conflict, differ, in_front
from teethscape.parametric.numbering.bite_read import read_bites
from teethscape.parametric.numbering.bite_search import moved_along, moved_sides
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.joint import Belief, NumberedView
from teethscape.parametric.numbering.layout import Layout, beside
from teethscape.parametric.numbering.moved_back import moved_back
from teethscape.parametric.numbering.occlusal import Candidate
from teethscape.parametric.numbering.photo_set import UNCERTAIN_ADVICE, PhotoSet
from teethscape.parametric.numbering.proposals import Proposal, Proposer, bite_task, fitted_anew
from teethscape.parametric.numbering.reopen import reopened
from teethscape.parametric.numbering.rivals import (
    Rival,
    Settled,
    aimed_rivals,
    aimed_together,
    duel,
    populated,
    renumbered,
    settle,
    weigh_rival,
)
from teethscape.parametric.numbering.ticks import Ticks
from teethscape.parametric.numbering.unclear import (
    clearest_first,
    contradicted_views,
    unclear_views,
    whole_named,
)

#: Proposals that are weighed again as rivals of a bite view's numbers.
_MOST_PROPOSED = 3
_ROUNDS = 4
#: Rivals of an arch's numbers within so many nats are weighed both ways.
_CLOSE, _MOST_DUELS = 15.0, 2
#: Cost in nats of a bite view's label that the best numbering explains and a rival does not, and
#: the least area of such a label against the median: a lower incisor's may be small, a sliver is not meant.
_UNEXPLAINED_COST, _UNEXPLAINED_AREA = 6.0, 0.15


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
        self.photos, self.arches, self.ticks, self.thorough = photos, arches, ticks, thorough
        self.brief = False
        self.tasks = {view: bite_task(photos, view) for view in BITE_VIEWS}
        self.margin: dict[View, float] = {}
        self.rival: dict[View, frozenset[int]] = {}
        self.proposals: dict[View, list[Proposal]] = {}

    def run(self) -> Found:
        """Improve the bite views' numbers, then the arches', until neither changes."""
        start, belief = self._occlusal_start()
        proposer = Proposer(self.photos, start, belief, self.ticks)
        likeliest = {} if self.thorough else proposer.likeliest(self.tasks)
        self.brief = bool(likeliest)
        self.proposals = likeliest or {view: proposer.proposals(task) for view, task in self.tasks.items()}
        settled = self._begun(start)
        for _ in range(_ROUNDS):
            settled = self._sides(self._at_rest(self._bites(settled)))
            settled, changed = self._arches(settled)
            if not changed:
                break
        settled = self._anew(settled)
        extra = self._unlabelled(settled.guess)
        for avoided in [extra, *({tooth} for tooth in sorted(extra) if len(extra) > 1)]:
            if avoided and avoided <= self._unlabelled(settled.guess):
                settled = self._without(settled, avoided, start)
        for tooth in sorted(self._unlabelled(settled.guess)):
            settled = self._moved_back(settled, tooth)
        for tooth in sorted(self._unlabelled(settled.guess)):
            settled = self._beside_closed(settled, tooth)
        for number in sorted(settled.guess.layout.closed - self.photos.absent):
            settled = self._reopened(settled, number)
        return self._found(settled)

    def _found(self, settled: Settled) -> Found:
        """The numbering with its margins; none where a view is unclear or contradicted, or an arch torn."""
        torn = (seen.view for seen in self.arches.values() if seen.is_torn)
        asked = self.photos, settled.guess
        unclear = (*unclear_views(*asked), *contradicted_views(*asked), *torn)
        margin = {**self.margin, **dict.fromkeys(unclear, 0.0)}
        return Found(settled, margin, {**self.rival, **dict.fromkeys(unclear, frozenset[int]())})

    def _begun(self, start: Guess, avoided: Collection[int] = ()) -> Settled:
        """The likeliest numbers of each bite view that name none of some teeth, all views fitted."""
        views = {}
        for view, found in self.proposals.items():
            fit = [p.numbered for p in found if not np.isin(p.numbered.tooth, list(avoided)).any()]
            if not fit and not avoided:
                _refuse_view(view)
            views[view] = fit[0] if fit else found[0].numbered
        return settle(replace(start, views={**start.views, **views}), self.photos.outline)

    def _unlabelled(self, guess: Guess) -> set[int]:
        """Numbered teeth, second molars aside, that their occlusal photo does not show."""
        shown: set[int] = set()
        for seen in self.arches.values():
            numbered = guess.views[seen.view]
            shown |= {int(t) for t in numbered.tooth[numbered.used]} | {
                int(t) for t in seen.judge.rows[[0, -1]]
            }
        jaws = {int(t) for seen in self.arches.values() for t in seen.judge.rows}
        return {int(t) for t in guess.teeth} & jaws - shown

    def _without(self, settled: Settled, extra: Collection[int], start: Guess) -> Settled:
        """Weigh the numbers against those that only teeth of the occlusal photos have."""
        kept = dict(self.margin), dict(self.rival)
        other = self._bites(self._at_rest(self._begun(start, extra)))
        rival = weigh_rival(settled, other.guess)
        other, fared = duel(settled, rival, self.photos.outline)
        if fared.behind >= 0:
            self.margin, self.rival = kept
        self._doubted(settled.guess, fared)
        return self._at_rest(other) if fared.behind < 0 else settled

    def _anew(self, settled: Settled) -> Settled:
        """While a bite view is unclear, weigh numbers begun from one bite view and the occlusal ones."""
        for anchor in clearest_first(self.photos, settled.guess):
            if not unclear_views(self.photos, settled.guess):
                break
            settled = self._begun_from(settled, anchor)
        return settled

    def _begun_from(self, settled: Settled, anchor: View) -> Settled:
        """Weigh the numbers against those that the other bite views get beside one of them."""
        others = [view for view in self.tasks if view is not anchor]
        firm = {view: seen for view, seen in settled.guess.views.items() if view not in others}
        kept = dict(self.margin), dict(self.rival), self.proposals
        start, belief = fitted_anew(self.photos, firm, settled.guess.layout)
        proposer = Proposer(self.photos, start, belief, self.ticks)
        self.proposals = {**kept[2], **{view: proposer.proposals(self.tasks[view]) for view in others}}
        if all(self.proposals[view] for view in others):
            views = {view: self.proposals[view][0].numbered for view in others}
            begun = settle(replace(start, views={**start.views, **views}), self.photos.outline)
            new = self._bites(self._at_rest(begun)).guess
            found, fared = duel(settled, weigh_rival(settled, new), self.photos.outline)
            gained = whole_named(self.photos, new) - whole_named(self.photos, settled.guess)
            if fared.behind < _UNEXPLAINED_COST * gained:
                return self._at_rest(found)
        self.margin, self.rival, self.proposals = kept
        return settled

    def _moved_back(self, settled: Settled, tooth: int) -> Settled:
        """Weigh whether a tooth that its occlusal photo lacks is the next one, and so are all behind it."""
        guess = moved_back(self.photos, settled.guess, tooth)
        rival = None if guess is None else weigh_rival(settled, guess)
        if rival is None or rival.behind >= _CLOSE:
            return settled
        found, fared = duel(settled, rival, self.photos.outline)
        fared = replace(fared, behind=fared.behind + self._unexplained(settled.guess, fared.guess))
        self._doubted(settled.guess, fared)
        return self._at_rest(found) if fared.behind < 0 else settled

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
            self._doubted(guess, fared)
            if fared.behind < 0:
                return found
        return settled

    def _reopened(self, settled: Settled, number: int) -> Settled:
        """Weigh whether a tooth whose gap is held to have closed is there, as bite photos say."""
        guess = reopened(self.photos, settled.guess, number)
        if guess is None:
            return settled
        found, fared = duel(settled, weigh_rival(settled, guess), self.photos.outline)
        lead = fared.behind - _UNEXPLAINED_COST * (guess.labels - settled.guess.labels)
        view = self.arches[jaw_of(number)].view
        if lead < 0:  # what came next to a closed gap is farther off now
            self.margin[view] = -lead
            return self._at_rest(found)
        self.margin[view] = min(self.margin[view], lead)
        return settled

    def _doubted(self, guess: Guess, rival: Rival) -> None:
        """Lower the margin of the views to which two numberings give other numbers, scraps aside."""
        changed = {v: differ(seen.tooth, guess.views[v].tooth) for v, seen in rival.guess.views.items()}
        if sum(changed.values()) > 1:
            for view in (view for view, count in changed.items() if count):
                if abs(rival.behind) < self.margin[view]:
                    self.margin[view] = abs(rival.behind)
                    self.rival[view] = _named(rival.guess.views[view].tooth)

    def _layout(self, choice: Mapping[Jaw, Candidate]) -> Layout:
        """The arch that numberings of the occlusal views mean."""
        fdi = self.photos.layouts.prior.fdi
        closed: frozenset[int] = frozenset()
        missing: set[int] = set()
        for jaw, candidate in choice.items():
            closed |= candidate.layout.closed & set(arch(jaw))
            inner = self.arches[jaw].judge.rows[1:-1]  # a second molar is often cut off
            missing |= {fdi[k] for k in inner if k not in candidate.tooth}
        missing |= self.photos.absent
        return self.photos.layouts.get(closed | missing, closed)

    def _choice(self) -> dict[Jaw, Candidate]:
        return {jaw: seen.choice for jaw, seen in self.arches.items()}

    def _occlusal_start(self) -> tuple[Guess, Belief]:
        """Cameras and teeth that the occlusal views ask for, by outlines and by moments."""
        views = {}
        for seen in self.arches.values():
            view, found = seen.view, self.photos.found[seen.view]
            tooth = seen.teeth(seen.choice)
            focal = self.photos.frame[view][2:]
            views[view] = NumberedView(found, tooth, seen.choice.camera, focal, self.photos.exif)
        return fitted_anew(self.photos, views, self._layout(self._choice()))

    def _at_rest(self, settled: Settled) -> Settled:
        """Read the bite views' numbers again and fit, until they stay."""
        for _ in range(_ROUNDS):
            teeth = read_bites(self.photos, settled.guess)
            if all((teeth[v] == settled.guess.views[v].tooth).all() for v in teeth):
                break
            settled = settle(renumbered(settled.guess, settled.guess.layout, teeth), self.photos.outline)
        return settled

    def _bites(self, settled: Settled) -> Settled:
        """Weigh other numbers of each bite view until none is better."""
        for _ in range(_ROUNDS):
            changed = False
            for view in self.tasks:
                rivals = self._bite_rivals(settled, view)
                best = min(rivals, key=lambda r: r.behind, default=None)
                self._doubted_bite(settled, view, rivals)
                if best and best.behind < 0:
                    settled, changed = self._at_rest(settle(best.guess, self.photos.outline)), True
            if not changed:
                break
        return settled

    def _doubted_bite(self, settled: Settled, view: View, rivals: Iterable[Rival]) -> None:
        """Note by how much the next rival of a bite view's numbers is behind."""
        now, fdi = settled.guess.views[view].tooth, settled.guess.layout.prior.fdi
        unlike = [r for r in rivals if in_front(view, now, r.guess.views[view].tooth, fdi)]
        best = min(unlike, key=lambda r: r.behind, default=None)
        self.margin[view] = abs(best.behind) if best else float("inf")
        self.rival[view] = _named(best.guess.views[view].tooth) if best else frozenset()

    def _sides(self, settled: Settled) -> Settled:
        """Weigh the numbers of a jaw moved by a tooth in both buccal views at once."""
        moved = [
            views
            for views in moved_sides(settled.guess.views, populated(settled.guess))
            if all(self.photos.agrees(view, seen.tooth) for view, seen in views.items())
        ]
        rivals = [weigh_rival(settled, aimed_together(settled, views)) for views in self.ticks.over(moved)]
        best = min(rivals, key=lambda rival: rival.behind, default=None)
        if best is None or best.behind >= 0:
            if best is not None:
                self._doubted(settled.guess, best)
            return settled
        return self._at_rest(self._bites(self._at_rest(settle(best.guess, self.photos.outline))))

    def _bite_rivals(self, settled: Settled, view: View) -> list[Rival]:
        """Other numbers of a bite view: what was proposed first, and the present ones moved along."""
        now = settled.guess.views[view]
        others = [p.numbered for p in self.proposals[view][:_MOST_PROPOSED]]
        others += moved_along(now, populated(settled.guess))
        told = settled.rows[view].instance
        others = [other for other in others if self.photos.agrees(view, other.tooth)]
        unlike = {o.tooth.tobytes(): o for o in others if conflict(o.tooth[told], now.tooth[told])}
        guesses = aimed_rivals(settled, view, unlike.values())
        return [weigh_rival(settled, guess) for guess in self.ticks.over(guesses)]

    def _arches(self, settled: Settled) -> tuple[Settled, bool]:
        """Weigh other numbers of each arch."""
        changed = False
        for seen in self.arches.values():
            for _ in range(_ROUNDS):
                better = self._better_arch(settled, seen)
                if better is None:
                    break
                settled, changed = better, True
        return settled, changed

    def _better_arch(self, settled: Settled, seen: ArchView) -> Settled | None:
        """The photos at rest under a better numbering of an arch, if there is one.

        The best numbering must be ahead with all labels, and clearly so with them or with the
        excess of badly drawn ones left out.
        """
        rivals = self._arch_rivals(settled, seen)
        firm = []
        for k, (rival, known, candidate) in enumerate(rivals):
            fared = rival
            if rival.behind + known < _CLOSE:
                known += self._unexplained(settled.guess, rival.guess)
            if k < _MOST_DUELS and rival.behind + known < _CLOSE:
                other, fared = duel(settled, rival, self.photos.outline)
                if fared.behind + known < 0 and seen.open_to(candidate):
                    seen.choose(candidate)
                    return self._at_rest(other)
            lead = fared.behind + known
            lead = max(lead, fared.excused + known) if lead > 0 else lead
            same = rival.guess.labels == settled.guess.labels
            firm.append(lead * (seen.trust(candidate) if same else 1.0))
        self.margin[seen.view] = min(firm, default=float("inf"))
        self.rival[seen.view] = _named(rivals[int(np.argmin(firm))][2].tooth) if rivals else frozenset()
        return None

    def _unexplained(self, guess: Guess, rival: Guess) -> float:
        """What it costs that a rival, its numbers read anew, names fewer labels of the bite views, nats."""
        read, count = read_bites(self.photos, rival), 0
        for view in self.tasks:
            area = self.photos.found[view].area
            whole = area > _UNEXPLAINED_AREA * np.median(area)
            count += int((whole & (guess.views[view].tooth >= 0)).sum()) - int(
                (whole & (read[view] >= 0)).sum()
            )
        return _UNEXPLAINED_COST * max(count, 0)

    def _arch_rivals(self, settled: Settled, seen: ArchView) -> list[tuple[Rival, float, Candidate]]:
        """Other numberings of an arch, best first, with what was known against them before."""
        out = []
        for candidate in self.ticks.over(seen.rivals()):
            rival = weigh_rival(settled, self._with(settled.guess, seen, candidate))
            out.append((rival, seen.known_cost(candidate) - seen.known_cost(seen.choice), candidate))
        return sorted(out, key=lambda found: found[0].behind + found[1])

    def _with(self, guess: Guess, seen: ArchView, candidate: Candidate) -> Guess:
        """The guess with other numbers for one arch, in all views."""
        new = seen.teeth(candidate)
        old = guess.views[seen.view].tooth
        both = (old >= 0) & (new >= 0)
        table = np.arange(-1, len(guess.layout.present))  # shifted by one: -1 stays -1
        table[1:][np.isin(table[1:], new[both]) & ~np.isin(table[1:], old[both])] = -1
        table[old[both] + 1] = new[both]
        teeth = {v: self.photos.imposed(v, tooth) for v, tooth in guess.renamed(table).items()}
        teeth[seen.view] = new
        return renumbered(guess, self._layout({**self._choice(), seen.judge.jaw: candidate}), teeth)


def _named(tooth: NDArray[np.intp]) -> frozenset[int]:
    """The teeth that a numbering (n,) of a view names."""
    return frozenset(int(t) for t in tooth if t >= 0)


def _refuse_view(view: View) -> None:
    """Refuse a photo whose teeth match no arch."""
    raise RefusedError(
        "numbering_uncertain",
        f"The teeth in the {view.title} photo cannot be numbered.",
        UNCERTAIN_ADVICE,
    )
