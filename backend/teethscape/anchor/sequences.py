"""Sequences of teeth laid along the creases of an arch by dynamic programming."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from teethscape.anchor.creases import BIN_MM
from teethscape.anchor.jaw import Array

#: Standard deviation of the logarithm of a width, and the range of widths tried, as shares of the fitted one.
_WIDTH_SIGMA, _WIDTHS = 0.2, (0.6, 1.6)
#: Worth of a unit of fall, in units of log probability.
_WORTH = 15.0
#: Falls above this are creases, where the fit does not know better.
CREASE = 0.25
#: This near to its ends a tooth's surface is no groove, bins.
RIM = int(1.25 / BIN_MM)


class Change(str, Enum):
    """How the painted teeth differ from the fitted ones."""

    NONE = "none"
    MISSING = "missing"
    ADDED = "added"
    MERGED = "merged"

    __str__ = str.__str__


@dataclass(frozen=True)
class Rival:
    """Another sequence than the fitted one: what differs, at which tooth (its place), its score."""

    change: Change
    place: int
    score: float


@dataclass(frozen=True, eq=False)
class Row:
    """The fitted teeth along the arch.

    Attributes:
        widths: (n,) bins.
        creases: (n - 1,) falls that a border between neighbours needs.
        grooves: (n,) falls that are no borders inside a tooth.
    """

    widths: Array
    creases: Array
    grooves: Array

    def __len__(self) -> int:
        return len(self.widths)


class Lattice:
    """All sequences along a profile; scores are log probabilities but for a constant.

    Borders want creases, teeth want none inside, widths want to be as fitted.

    Args:
        falls: (b,) from the first painted bin to the last.
        row: the fitted teeth.
    """

    def __init__(self, falls: Array, row: Row) -> None:
        self._falls, self._row, self._flat = falls, row, np.zeros(len(falls) + 1)
        known = [self._worth(float(crease)) for crease in row.creases]
        self._borders = [self._flat, *known, self._flat]  # before each tooth, and behind the last
        begin = np.full(len(falls) + 1, -np.inf)
        begin[0] = 0.0
        # ahead[k]: teeth before tooth k that end at each place; behind[k]: tooth k and later ones from there.
        self._ahead, self._behind = [begin], [begin[::-1]]
        for k in range(len(row)):
            front = self._ahead[-1] + self._borders[k]
            self._ahead.append(self._longer(front, float(row.widths[k]), float(row.grooves[k])))
        for k in reversed(range(len(row))):
            back = (self._behind[0] + self._borders[k + 1])[::-1]
            width, groove = float(row.widths[k]), float(row.grooves[k])
            self._behind.insert(0, self._longer(back, width, groove, falls[::-1])[::-1])

    def own(self) -> float:
        """Score of the fitted sequence."""
        return float(self._ahead[-1][-1])

    def rivals(self) -> list[Rival]:
        """Every sequence with one tooth less or more, or with two grown together."""
        count = len(self._row)
        missing = [Rival(Change.MISSING, k, self._without(k)) for k in range(count)]
        merged = [Rival(Change.MERGED, k, self._merged(k)) for k in range(count - 1)]
        added = [Rival(Change.ADDED, k, self._added(k)) for k in range(count + 1)]
        return missing + merged + added

    def _without(self, k: int) -> float:
        border = self._worth(CREASE) if 0 < k < len(self._row) - 1 else self._flat
        return float((self._ahead[k] + border + self._behind[k + 1]).max())

    def _merged(self, k: int) -> float:
        width, groove = float(self._row.widths[k : k + 2].sum()), float(self._row.grooves[k : k + 2].max())
        ends = self._longer(self._ahead[k] + self._borders[k], width, groove)
        return float((ends + self._borders[k + 2] + self._behind[k + 2]).max())

    def _added(self, k: int) -> float:
        width, border = float(self._row.widths[max(k - 1, 0) : k + 1].mean()), self._worth(CREASE)
        ends = self._longer(self._ahead[k] + (border if k else self._flat), width, CREASE)
        return float((ends + (border if k < len(self._row) else self._flat) + self._behind[k]).max())

    def _worth(self, crease: float) -> Array:
        """(b + 1,) what a border at each place is worth."""
        padded = np.concatenate([self._falls[:1], self._falls, self._falls[-1:]])
        return _WORTH * (np.maximum(padded[:-1], padded[1:]) - crease)

    def _longer(self, scores: Array, width: float, groove: float, falls: Array | None = None) -> Array:
        """(b + 1,) best scores after one more tooth, from (b + 1,) scores of where it begins."""
        falls = self._falls if falls is None else falls
        out, deepest = np.full((2, len(scores)), -np.inf)
        for size in range(1, min(int(_WIDTHS[1] * width), len(falls)) + 1):
            inner = size - 1 - RIM
            if inner >= RIM:
                here = slice(len(falls) - inner)
                deepest[here] = np.maximum(deepest[here], falls[inner:])
            if size >= _WIDTHS[0] * width:
                cost = (np.log(size / width) / _WIDTH_SIGMA) ** 2 / 2
                cost = cost + _WORTH * np.maximum(deepest - groove, 0)
                out[size:] = np.maximum(out[size:], (scores - cost)[:-size])
        return out
