"""Numbers that change during training: learning rates, weights of losses, rays, levels.

Source: ``teethdreamer-spec.md``, sections 6.5 to 6.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_WARM_UP, _COLD = 500, 0.02
_DECAY = 0.1
#: Of a budget: less is nothing left.
_NOTHING = 1e-9


@dataclass(frozen=True)
class Begin:
    """Where a run finds the schedules: at their beginning, or where an earlier run has left them.

    Attributes:
        age: how far they are, optimiser steps.
        lead: by how many steps they are ahead of the optimiser's.
        share: of the budget that was used up by then, 0..1.
    """

    age: float = 0.0
    lead: float = 0.0
    share: float = 0.0

    def age_at(self, step: int, share: float, steps: int) -> float:
        """How far the schedules are, ``steps`` at most and never behind the optimiser.

        Args:
            step: of the optimiser, 0 = first.
            share: used share of the budget, over the rest of which the rest of them is spread; 0: there is
                none, and they go on by one a step.
            steps: that they are made for.
        """
        age = step + self.lead
        if share > 0:
            rest = (share - self.share) / max(1.0 - self.share, _NOTHING)
            age = self.age + (steps - self.age) * rest
        return min(max(age, float(step)), float(steps))


def learning_factor(step: float, steps: int, warm_up: int = _WARM_UP) -> float:
    """Factor on every learning rate at an optimiser step (0 = first): linear rise, then exponential fall."""
    if step < warm_up:
        return _COLD + (1.0 - _COLD) * step / warm_up
    return _DECAY ** ((step - warm_up) / max(steps - warm_up, 1))


def weight_at(value: float | Sequence[float], step: float) -> float:
    """A weight, or a ramp ``[first step, from, to, last step]``; without first step it begins at 0."""
    if isinstance(value, int | float):
        return float(value)
    first, low, high, last = value if len(value) == 4 else (0.0, *value)
    share = min(max((step - first) / max(last - first, 1), 0.0), 1.0)
    return low + (high - low) * share


def next_rays(rays: int, samples: int, target: int, most: int) -> int:
    """Rays of the next step, so that a step has about ``target`` samples."""
    if samples <= 0:
        return rays
    return min(int(0.9 * rays + 0.1 * int(rays * target / samples)), most)


def active_levels(step: int, start: int, every: int, levels: int) -> int:
    """Levels of the hash grid that count: ``start``, and one more every so many steps."""
    return levels if every <= 0 else min(start + step // every, levels)
