"""How well a row of teeth, some of them missing, explains the instances along an arch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from teethscape.parametric.dentition_sizes import KINDS, Fitness
from teethscape.parametric.rotation import FloatArray

#: Cost in nats of a tooth that is missing from an open gap.
OPEN_COST = 1.5
#: Cost of a tooth at the end of a row that is not seen, unless the row says otherwise.
_END_COST = 3.0
_MOST_SKIPPED = 3
#: Cost of an instance that is no tooth of the row.
_SCRAP_COST = 6.0


@dataclass(frozen=True)
class Row:
    """The teeth of a jaw as they may stand, from the patient's right to the left.

    Attributes:
        teeth: kinds, see ``KINDS``.
        closed_cost: nats for each missing tooth whose gap has closed.
        unseen: nats for a tooth at the end that is not seen, by kind.
        levels: closed gaps that are told apart when counted; the last counts more too.
    """

    teeth: str
    closed_cost: float
    unseen: Mapping[str, float]
    levels: int = 1

    def begin(self, teeth: str) -> FloatArray:
        """(m, 1) cost of beginning at each tooth of the row, read in the given direction."""
        costs = [self.unseen.get(tooth, _END_COST) for tooth in teeth[:-1]]
        return np.concatenate([[0.0], np.cumsum(costs)])[:, None]


def _skipped(count: int, gap: float) -> tuple[int, int]:
    """Of ``count`` missing teeth: how many left the gap (in median widths) open, and the others."""
    free = int(np.clip(round(gap), 0, count))
    return free, count - free


def _reached(best: FloatArray, row: Row, gap: float) -> FloatArray:
    """Nats with which the next instance can be each tooth, by closed gaps: (levels, m, S)."""
    out = np.full_like(best, -np.inf)
    for count in range(_MOST_SKIPPED + 1):
        free, shut = _skipped(count, gap)
        step = best[:, : -1 - count] - OPEN_COST * free - row.closed_cost * shut
        for level in range(row.levels):
            to = min(level + shut, row.levels - 1)
            out[to, 1 + count :] = np.maximum(out[to, 1 + count :], step[level])
    return out


def explained(seen: Fitness, row: Row) -> FloatArray:
    """Nats with which a row explains a view at the best setting of the view's unknowns.

    Args:
        seen: what the instances of the view say.
        row: the teeth.

    Returns:
        (levels,) nats by the number of closed gaps.
    """
    columns = [KINDS.index(tooth) for tooth in row.teeth]
    match = seen.kinds[:, columns]
    before, after = row.begin(row.teeth), row.begin(row.teeth[::-1])[::-1]
    best = np.full((row.levels, *match[0].shape), -np.inf, match.dtype)
    best[0] = match[0] - before
    for k in range(1, len(match)):
        reached = _reached(best, row, float(seen.gaps[k - 1]))
        reached[0] = np.maximum(reached[0], -before - _SCRAP_COST * k)
        best = np.maximum(reached + match[k], best - _SCRAP_COST)
    return (best - after + seen.setting).max(axis=(1, 2))
