"""The plausible numberings of one occlusal view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import ToothClass, arch, mirrored, tooth_class
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.numbering.names import Told
from teethscape.parametric.numbering.occlusal import LEFT_OUT_COST, Candidate, OcclusalJudge
from teethscape.parametric.numbering.photo_set import SCRAP, PhotoSet

#: Rivals by moments within so many nats of the best one are weighed by outlines.
_NEAR, _MOST_NEAR = 40.0, 4
#: Cost in nats of scraps behind a second molar: parts of a third one, or no tooth at all.
_BEHIND_COST = 2.5
#: Times that one numbering may be chosen.
_MOST_CHOSEN = 2
#: Teeth of an arch, third molars included; fewer than so many are none.
_MOST_TEETH, _FEWEST = 16, 4
#: Cost in nats above which an arch is strained by parts of teeth taken for teeth, and how many of the
#: smallest instances may be one: ten rendered patients have arches of -17 to 25, strained ones of 78 to 117.
_STRAINED, _MOST_TRIED = 30.0, 2
#: Cost above which an arch is doubtful that has no place for some labels of a tooth's size, nats.  Of three
#: rendered patients whose teeth are in pieces (braces) two are right, at 25 and 40, and one wrong, at 92.
_TORN = 60.0
#: Share of a lead that counts where it is only asked which of two like teeth is left: the form of one crown
#: tells, in all photos the same. Wrong centrals have led by 13 nats, premolars by 6, right ones by 6
#: to 8, wrong molars by 13 where another gap had closed.
_TWIN_TRUST = 0.1
_MOLARS = frozenset({6, 7})
_LIKE_TRUST = {frozenset({4, 5}): 0.5, _MOLARS: 0.25}
#: Nats that leaving out a part must gain: where one was, it has gained 46 to 87, where none was, 1 at most.
_RELIEF = 15.0


class ArchView:
    """The plausible numberings of one occlusal view by moments, best first.

    Attributes:
        candidates: the numberings.
        choice: the one that is held.
        crowded: whether no arch has a place for all labels of a tooth's size.
    """

    def __init__(self, photos: PhotoSet, view: View) -> None:
        self.view, self.count = view, len(photos.found[view])
        self.crowded = False
        self.candidates = self._candidates(photos)
        self.choice = self.candidates[0]
        self._chosen = Counter([self.choice.key])

    def _candidates(self, photos: PhotoSet) -> list[Candidate]:
        """Numberings, best first.

        Scraps (parts of molars, mostly) are left out here and joined to their tooth when the
        arch is known; when it has no place for all others, the smallest go first.
        """
        found = photos.found[self.view]
        named = photos.names(self.view) >= 0
        teeth = int(((found.area > SCRAP * np.median(found.area)) | named).sum())
        order = np.lexsort((-found.area, ~named))[: min(teeth, _MOST_TEETH)]
        best: list[Candidate] = []
        while not best and len(order) >= _FEWEST:
            best = self._judged(photos, order)
            self.crowded |= not best
            order = order[:-1]
        if not best:
            raise RefusedError(
                "numbering_uncertain",
                f"The teeth in the {self.view.title} photo do not form an arch.",
                "Retake it so that the whole arch is seen, or give masks for it; "
                "check the teeth marked missing and the numbers given.",
            )
        return self._without_parts(photos, best)

    def _judged(self, photos: PhotoSet, chosen: NDArray[np.intp]) -> list[Candidate]:
        """Numberings of some instances, best first; they are the view's largest from now on."""
        self.largest = np.sort(chosen)
        own = photos.found[self.view].only(self.largest)
        self.judge = OcclusalJudge(
            self.view, own, photos.frame[self.view], photos.layouts, self._told(photos)
        )
        return self.judge.best()

    def _without_parts(self, photos: PhotoSet, best: list[Candidate]) -> list[Candidate]:
        """The numberings, or better ones that leave out parts of teeth larger than scraps."""
        area, named = photos.found[self.view].area, photos.names(self.view) >= 0
        while best[0].cost > _STRAINED:
            kept = self.largest, self.judge
            open_ = kept[0][~named[kept[0]]]
            for part in open_[np.argsort(area[open_], kind="stable")][:_MOST_TRIED]:
                fewer = self._judged(photos, kept[0][kept[0] != part])
                if fewer and fewer[0].cost + LEFT_OUT_COST + _RELIEF < best[0].cost:
                    best = fewer
                    break
                self.largest, self.judge = kept
            else:
                break
        return best

    def _told(self, photos: PhotoSet) -> Told:
        """What the user said of the largest instances."""
        jaw, fdi = self.view.jaws[0], photos.layouts.prior.fdi
        place = {number: k for k, number in enumerate(arch(jaw))}
        names = photos.names(self.view)[self.largest]
        absent = frozenset(place[number] for number in photos.absent if number in place)
        return Told(absent, tuple(place[fdi[t]] if t >= 0 else -1 for t in names))

    def teeth(self, candidate: Candidate) -> NDArray[np.intp]:
        """(n,) teeth of all instances of the view, scraps left out."""
        out = np.full(self.count, -1)
        out[self.largest] = candidate.tooth
        return out

    def known_cost(self, candidate: Candidate) -> float:
        """What a numbering costs before any measurement, nats."""
        inside = np.flatnonzero(candidate.tooth >= 0)
        first, last = candidate.tooth[inside[[0, -1]]]
        behind = self.largest[inside[0]] > 0, self.largest[inside[-1]] < self.count - 1
        at_end = first == self.judge.rows[0], last == self.judge.rows[-1]
        crowded = sum(some and end for some, end in zip(behind, at_end, strict=True))
        return float(candidate.prior_cost + _BEHIND_COST * crowded)

    def trust(self, candidate: Candidate) -> float:
        """Share of the lead over a numbering that counts: less where it gives one label a like tooth."""
        now, new, fdi = self.choice.tooth, candidate.tooth, self.judge.layouts.prior.fdi
        changed = np.flatnonzero(now != new)
        if len(changed) != 1 or min(now[changed[0]], new[changed[0]]) < 0:
            return 1.0
        one, other = fdi[now[changed[0]]], fdi[new[changed[0]]]
        if other == mirrored(one):
            return _TWIN_TRUST
        places = frozenset({one % 10, other % 10})
        tipped = places != _MOLARS or self.choice.layout.closed  # molars stand by themselves elsewhere
        return _LIKE_TRUST.get(places, 1.0) if tipped and one // 10 == other // 10 else 1.0

    def open_to(self, candidate: Candidate) -> bool:
        """Whether a numbering may be chosen: a second time as well, since its fit may have been poor.

        Two that beat each other again are equals.
        """
        return self._chosen[candidate.key] < _MOST_CHOSEN

    @property
    def is_torn(self) -> bool:
        """Whether labels of a tooth's size have no place in the arch, and the others fit it badly."""
        return self.crowded and self.candidates[0].cost > _TORN

    def choose(self, candidate: Candidate) -> None:
        """Choose another numbering."""
        self._chosen[candidate.key] += 1
        self.choice = candidate

    def rivals(self) -> list[Candidate]:
        """Numberings that might explain the photos better than the chosen one."""
        near = [c for c in self.candidates if c.cost < self.candidates[0].cost + _NEAR][:_MOST_NEAR]
        out: dict[tuple[bytes, frozenset[int]], Candidate] = {}
        for candidate in [*self.judge.alternatives(self.choice), *near]:
            if differ(candidate.tooth, self.choice.tooth):
                out.setdefault(candidate.key, candidate)
        return list(out.values())


def differ(first: NDArray[np.intp], second: NDArray[np.intp]) -> int:
    """Instances to which two numberings give different teeth."""
    return int(((first >= 0) & (second >= 0) & (first != second)).sum())


def conflict(first: NDArray[np.intp], second: NDArray[np.intp]) -> bool:
    """True when two numberings of a view differ by more than a scrap."""
    return differ(first, second) >= 2


def in_front(view: View, first: NDArray[np.intp], second: NDArray[np.intp], fdi: Sequence[int]) -> bool:
    """True when two numberings of a view differ by more than what an anterior photo shows of molars.

    It shows slivers of them, in which one may be taken for the next; other photos tell them apart.

    Args:
        view: the view.
        first: (n,) tooth of each instance, -1 none.
        second: (n,) the same of the other numbering.
        fdi: FDI numbers in the order of the prior.
    """
    differing = (first >= 0) & (second >= 0) & (first != second)
    teeth = {fdi[int(t)] for t in np.concatenate([first[differing], second[differing]])}
    return view is not View.ANTERIOR or any(tooth_class(n) is not ToothClass.MOLAR for n in teeth)
