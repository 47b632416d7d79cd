"""By how many nats the numbers of each photo lead the next ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.parametric.numbering.arch_view import differ
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.rivals import Rival


@dataclass
class Margins:
    """What is noted while rivals of the numbers are weighed.

    Attributes:
        nats: per view, the lead over its next rival.
        rival: per view, the teeth (indices into ``prior.fdi``) that this rival names.
    """

    nats: dict[View, float] = field(default_factory=dict)
    rival: dict[View, frozenset[int]] = field(default_factory=dict)

    def note(self, view: View, nats: float, tooth: NDArray[np.intp] | None) -> None:
        """Note a view's lead over its next rival, the numbering (n,) ``tooth``, if there is one."""
        self.nats[view] = nats
        self.rival[view] = frozenset() if tooth is None else frozenset(int(t) for t in tooth if t >= 0)

    def doubt(self, guess: Guess, rival: Rival) -> None:
        """Lower the leads in the views to which two numberings give other numbers, scraps aside."""
        changed = {v: differ(seen.tooth, guess.views[v].tooth) for v, seen in rival.guess.views.items()}
        if sum(changed.values()) > 1:
            for view in (view for view, count in changed.items() if count):
                if abs(rival.behind) < self.nats[view]:
                    self.note(view, abs(rival.behind), rival.guess.views[view].tooth)

    def copy(self) -> Margins:
        """The same, to come back to."""
        return Margins(dict(self.nats), dict(self.rival))

    def restore(self, kept: Margins) -> None:
        """Come back to what was noted before."""
        self.nats, self.rival = dict(kept.nats), dict(kept.rival)

    def without_lead(self, views: tuple[View, ...]) -> Margins:
        """The same, but some views lead by nothing, and by no single rival."""
        nats = {**self.nats, **dict.fromkeys(views, 0.0)}
        return Margins(nats, {**self.rival, **dict.fromkeys(views, frozenset[int]())})
