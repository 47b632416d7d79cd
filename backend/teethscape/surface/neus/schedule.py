"""Numbers that change during training: learning rates, weights of losses, rays, levels.

Source: ``teethdreamer-spec.md``, sections 6.5 to 6.7.
"""

from __future__ import annotations

from collections.abc import Sequence

_WARM_UP, _COLD = 500, 0.02
_DECAY = 0.1


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
