"""Learning rates of GS-Pull. Source: ``gspull-spec.md``, sections 2 and 5."""

from __future__ import annotations

import math

_POSITION = (1.6e-4, 1.6e-6, 30_000)
_SDF_PEAK, _SDF_WARM_UP, SDF_STEPS = 1e-3, 1000, 60_050


def position_rate(iteration: int, steps: int = _POSITION[2]) -> float:
    """Rate of the centres, to be multiplied by the scene's extent: from first to last on a log scale."""
    first, last, _ = _POSITION
    share = min(max(iteration / steps, 0.0), 1.0)
    return math.exp((1 - share) * math.log(first) + share * math.log(last))


def sdf_rate(step: int, steps: int = SDF_STEPS, warm_up: int = _SDF_WARM_UP) -> float:
    """Rate of the distance network: linear rise, then a cosine to zero."""
    if step < warm_up:
        return _SDF_PEAK * step / warm_up
    share = min((step - warm_up) / max(steps - warm_up, 1), 1.0)
    return _SDF_PEAK * 0.5 * (1 + math.cos(math.pi * share))
