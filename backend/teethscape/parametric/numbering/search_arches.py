"""The search for better numbers of the occlusal photos, beside a numbering of all photos."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from teethscape.dental.fdi import Jaw, arch
from teethscape.dental.views import View
from teethscape.parametric.numbering.arch_view import ArchView
from teethscape.parametric.numbering.bite_read import read_bites
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.joint import Belief, NumberedView
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.numbering.margins import Margins
from teethscape.parametric.numbering.occlusal import Candidate
from teethscape.parametric.numbering.photo_set import PhotoSet
from teethscape.parametric.numbering.proposals import fitted_anew
from teethscape.parametric.numbering.rivals import ROUNDS, Rival, Settled, duel, renumbered, weigh_rival
from teethscape.parametric.numbering.ticks import Ticks

#: Rivals of an arch's numbers within so many nats are weighed both ways.
CLOSE, _MOST_DUELS = 15.0, 2
#: Cost in nats of a bite view's label that the best numbering explains and a rival does not, and
#: the least area of such a label against the median: a lower incisor's may be small, a sliver is not meant.
UNEXPLAINED_COST, _UNEXPLAINED_AREA = 6.0, 0.15


class ArchSearch:
    """Weighs other numbers of the arches.

    Args:
        photos: all photos.
        arches: what the occlusal ones may show; their choice changes.
        margins: where the leads are noted.
        ticks: told of every step.
        at_rest: reads the bite views' numbers again, and fits.
    """

    def __init__(
        self,
        photos: PhotoSet,
        arches: Mapping[Jaw, ArchView],
        margins: Margins,
        ticks: Ticks,
        at_rest: Callable[[Settled], Settled],
    ) -> None:
        self._photos, self._arches, self._margins, self._ticks = photos, arches, margins, ticks
        self._at_rest = at_rest

    def start(self) -> tuple[Guess, Belief]:
        """Cameras and teeth that the occlusal views ask for, by outlines and by moments."""
        views = {}
        for seen in self._arches.values():
            view, found = seen.view, self._photos.found[seen.view]
            tooth = seen.teeth(seen.choice)
            focal = self._photos.frame[view][2:]
            views[view] = NumberedView(found, tooth, seen.choice.camera, focal, self._photos.exif)
        return fitted_anew(self._photos, views, self._layout(self._choice()))

    def better(self, settled: Settled) -> tuple[Settled, bool]:
        """The photos at rest under better numbers of the arches, and whether there were any."""
        changed = False
        for seen in self._arches.values():
            for _ in range(ROUNDS):
                better = self._better_arch(settled, seen)
                if better is None:
                    break
                settled, changed = better, True
        return settled, changed

    def unlabelled(self, guess: Guess) -> set[int]:
        """Numbered teeth, second molars aside, that their occlusal photo does not show."""
        shown: set[int] = set()
        for seen in self._arches.values():
            numbered = guess.views[seen.view]
            shown |= {int(t) for t in numbered.tooth[numbered.used]} | {
                int(t) for t in seen.judge.rows[[0, -1]]
            }
        jaws = {int(t) for seen in self._arches.values() for t in seen.judge.rows}
        return {int(t) for t in guess.teeth} & jaws - shown

    @property
    def torn(self) -> tuple[View, ...]:
        """Views of arches that have no place for some labels, and fit the others badly."""
        return tuple(seen.view for seen in self._arches.values() if seen.is_torn)

    def _layout(self, choice: Mapping[Jaw, Candidate]) -> Layout:
        """The arch that numberings of the occlusal views mean."""
        fdi = self._photos.layouts.prior.fdi
        closed: frozenset[int] = frozenset()
        missing: set[int] = set()
        for jaw, candidate in choice.items():
            closed |= candidate.layout.closed & set(arch(jaw))
            inner = self._arches[jaw].judge.rows[1:-1]  # a second molar is often cut off
            missing |= {fdi[k] for k in inner if k not in candidate.tooth}
        missing |= self._photos.absent
        return self._photos.layouts.get(closed | missing, closed)

    def _choice(self) -> dict[Jaw, Candidate]:
        return {jaw: seen.choice for jaw, seen in self._arches.items()}

    def _better_arch(self, settled: Settled, seen: ArchView) -> Settled | None:
        """The photos at rest under a better numbering of an arch, if there is one.

        The best numbering must be ahead with all labels, and clearly so with them or with the
        excess of badly drawn ones left out.
        """
        rivals = self._rivals(settled, seen)
        firm = []
        for k, (rival, known, candidate) in enumerate(rivals):
            fared = rival
            if rival.behind + known < CLOSE:
                known += unexplained_cost(self._photos, settled.guess, rival.guess)
            if k < _MOST_DUELS and rival.behind + known < CLOSE:
                other, fared = duel(settled, rival, self._photos.outline)
                if fared.behind + known < 0 and seen.open_to(candidate):
                    seen.choose(candidate)
                    return self._at_rest(other)
            lead = fared.behind + known
            lead = max(lead, fared.excused + known) if lead > 0 else lead
            same = rival.guess.labels == settled.guess.labels
            firm.append(lead * (seen.trust(candidate) if same else 1.0))
        next_ = rivals[int(np.argmin(firm))][2].tooth if rivals else None
        self._margins.note(seen.view, min(firm, default=float("inf")), next_)
        return None

    def _rivals(self, settled: Settled, seen: ArchView) -> list[tuple[Rival, float, Candidate]]:
        """Other numberings of an arch, best first, with what was known against them before."""
        out = []
        for candidate in self._ticks.over(seen.rivals()):
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
        teeth = {v: self._photos.imposed(v, tooth) for v, tooth in guess.renamed(table).items()}
        teeth[seen.view] = new
        return renumbered(guess, self._layout({**self._choice(), seen.judge.jaw: candidate}), teeth)


def unexplained_cost(photos: PhotoSet, guess: Guess, rival: Guess) -> float:
    """What it costs that a rival, its numbers read anew, names fewer labels of the bite views, nats."""
    read, count = read_bites(photos, rival), 0
    for view in (view for view in guess.views if not view.is_occlusal):
        area = photos.found[view].area
        whole = area > _UNEXPLAINED_AREA * np.median(area)
        count += int((whole & (guess.views[view].tooth >= 0)).sum()) - int((whole & (read[view] >= 0)).sum())
    return UNEXPLAINED_COST * max(count, 0)
