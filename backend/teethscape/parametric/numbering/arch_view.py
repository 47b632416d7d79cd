"""The plausible numberings of one occlusal view."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import arch, mirrored
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.numbering.names import Told
from teethscape.parametric.numbering.occlusal import Candidate, OcclusalJudge
from teethscape.parametric.numbering.photo_set import SCRAP, PhotoSet

#: Rivals by moments within so many nats of the best one are weighed by outlines.
_NEAR, _MOST_NEAR = 40.0, 4
#: Cost in nats of scraps behind a second molar: parts of a third one, or no tooth at all.
_BEHIND_COST = 2.5
#: Times that one numbering may be chosen.
_MOST_CHOSEN = 2
#: Teeth of an arch, third molars included.
_MOST_TEETH = 16


class ArchView:
    """The plausible numberings of one occlusal view by moments, best first."""

    def __init__(self, photos: PhotoSet, view: View) -> None:
        self.view, self.count = view, len(photos.found[view])
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
        for count in range(min(teeth, _MOST_TEETH), 3, -1):
            self.largest = np.sort(np.lexsort((-found.area, ~named))[:count])
            chosen = found.only(self.largest)
            frame = photos.frame[self.view]
            told = self._told(photos)
            self.judge = OcclusalJudge(self.view, chosen, frame, photos.layouts, told)
            best = self.judge.best()
            if best:
                return best
        raise RefusedError(
            "numbering_uncertain",
            f"The teeth in the {self.view.title} photo do not form an arch.",
            "Retake it so that the whole arch is seen, or give masks for it; "
            "check the teeth marked missing and the numbers given.",
        )

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

    def renames_a_twin(self, candidate: Candidate) -> bool:
        """Whether a numbering differs from the chosen one only by a tooth that becomes its twin."""
        now, new, fdi = self.choice.tooth, candidate.tooth, self.judge.layouts.prior.fdi
        changed = np.flatnonzero(now != new)
        return len(changed) == 1 and fdi[new[changed[0]]] == mirrored(fdi[now[changed[0]]])

    def open_to(self, candidate: Candidate) -> bool:
        """Whether a numbering may be chosen: a second time as well, since its fit may have been poor.

        Two that beat each other again are equals.
        """
        return self._chosen[candidate.key] < _MOST_CHOSEN

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
