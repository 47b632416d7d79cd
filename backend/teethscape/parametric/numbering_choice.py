"""Choosing between numberings of the whole set: one physical dentition under different numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, arch
from teethscape.dental.views import BITE_VIEWS, View
from teethscape.parametric.numbering_joint import Belief, JointFit, NumberedView, fit_joint
from teethscape.parametric.numbering_layout import Layout, Layouts, jaw_rows
from teethscape.parametric.numbering_occlusal import Candidate, missing_cost
from teethscape.parametric.numbering_overlap import match_overlap, overlap
from teethscape.parametric.numbering_search import numbering_cost

Choice = Mapping[Jaw, Candidate]


@dataclass(frozen=True)
class Solution:
    """A numbering of the whole set.

    Attributes:
        choice: the occlusal numbering of each jaw.
        fit: cameras, teeth and bite under it.
        cost: negative log posterior, nats.
    """

    choice: Choice
    fit: JointFit
    cost: float


def layout_for(choice: Choice, layouts: Layouts, seen: set[int]) -> Layout:
    """The arch that occlusal numberings mean; ``seen`` are indices of teeth that other views show."""
    prior = layouts.prior
    closed: frozenset[int] = frozenset()
    missing: set[int] = set()
    for jaw, candidate in choice.items():
        rows = jaw_rows(prior, jaw)
        closed |= candidate.layout.closed & set(arch(jaw))
        missing |= {prior.fdi[r] for r in rows if r not in candidate.tooth and r not in seen}
    return layouts.get(frozenset(missing) | closed, closed)


def choice_cost(choice: Choice) -> float:
    """What the occlusal numberings cost before any measurement, nats."""
    return sum(candidate.prior_cost for candidate in choice.values())


def translate(old: Choice, new: Choice, tooth: NDArray[np.intp], layouts: Layouts) -> NDArray[np.intp]:
    """A bite view's numbering carried from one occlusal numbering to another of the same instances.

    Teeth that the occlusal view does not show keep their distance to the nearest one it does.
    """
    table = np.full(len(layouts.prior.fdi) + 1, -1)
    for jaw, candidate in old.items():
        rows = jaw_rows(layouts.prior, jaw)
        place = {int(r): k for k, r in enumerate(rows)}
        pairs = [
            (place[int(a)], place[int(b)])
            for a, b in zip(candidate.tooth, new[jaw].tooth, strict=True)
            if a >= 0 and b >= 0
        ]
        taken = {b for _, b in pairs}
        for k, row in enumerate(rows):
            exact = [b for a, b in pairs if a == k]
            if exact:
                table[row] = rows[exact[0]]
            elif pairs:
                near = min(pairs, key=lambda p: abs(p[0] - k))
                target = near[1] + k - near[0]
                if 0 <= target < len(rows) and target not in taken:
                    table[row] = rows[target]
    for jaw in set(Jaw) - set(old):
        rows = jaw_rows(layouts.prior, jaw)
        table[rows] = rows
    return table[tooth]


class Chooser:
    """Weighs numberings of one set.

    Args:
        labels: label image of each view, of the cameras' size.
        layouts: layouts of the prior.
    """

    def __init__(self, labels: Mapping[View, NDArray[np.int32]], layouts: Layouts) -> None:
        self.labels, self.layouts = labels, layouts

    def settle(self, choice: Choice, views: Mapping[View, NumberedView], rounds: int = 1) -> Solution:
        """Fit a numbering, then repaint and re-read the bite views ``rounds`` times."""
        fit = self._fit(choice, views, 3)
        for _ in range(rounds):
            fit = self._fit(choice, self._reread(choice, fit), 2)
        return Solution(choice, fit, self.cost(choice, fit))

    def cost(self, choice: Choice, fit: JointFit) -> float:
        """Negative log posterior of a fitted numbering, nats."""
        total = fit.cost + choice_cost(choice)
        return total + sum(
            numbering_cost(fit.views[v].tooth, fit.belief.layout) for v in BITE_VIEWS if v in fit.views
        )

    def _fit(self, choice: Choice, views: Mapping[View, NumberedView], rounds: int) -> JointFit:
        seen = {int(t) for v in BITE_VIEWS if v in views for t in views[v].tooth if t >= 0}
        layout = layout_for(choice, self.layouts, seen)
        return fit_joint(views, Belief.before(layout), rounds)

    def _reread(self, choice: Choice, fit: JointFit) -> dict[View, NumberedView]:
        """The bite views numbered by overlap with the painted arch; open gaps may hold teeth."""
        everything = layout_for(choice, self.layouts, set(range(len(self.layouts.prior.fdi))))
        belief = replace(fit.belief, layout=everything)
        out = dict(fit.views)
        for view in BITE_VIEWS:
            if view in out:
                found = overlap(view, self.labels[view], out[view].found.ids, out[view].camera, belief)
                out[view] = replace(out[view], tooth=match_overlap(found)[0])
        return out


__all__ = ["Choice", "Chooser", "Solution", "layout_for", "missing_cost", "translate"]
