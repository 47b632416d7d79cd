"""How many teeth a jaw is painted with, by the creases between them.

The fitted teeth tell a sequence of widths. Rival sequences lack one of them, have one more, or have two
grown together. Each is laid along the arch by dynamic programming: borders want creases, teeth want none
inside, widths want to be as fitted. The sequence that explains the creases best tells the count; the fitted
one is believed unless another is clearly better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from teethscape.anchor.creases import BIN_MM, Profile
from teethscape.anchor.curve import ArchLine
from teethscape.anchor.jaw import Array, FittedJaw

#: Standard deviation of the logarithm of a width, and the range of widths tried, as shares of the fitted one.
_WIDTH_SIGMA, _WIDTHS = 0.15, (0.6, 1.6)
#: Worth of a unit of fall, in units of log probability.
_WORTH = 15.0
#: Falls above which a place is a crease rather than not: at borders that the fit does not know, and at the
#: least and the most at those that it knows (half of what its own surface has there).
_CREASE, _KNOWN = 0.35, (0.12, 0.4)
#: By how much a fall inside a tooth may exceed the fitted one's own grooves.
_GROOVE = 0.15
#: How much better a rival must explain the creases.
_MARGIN = 8.0
#: This near to its ends a tooth's surface is no groove, mm.
_RIM_MM = 1.25
#: Bins with fewer pixels than this share of the median are gaps; pieces shorter than this (mm) are no teeth.
_EMPTY, _SHORTEST_MM = 0.12, 2.5


class Change(str, Enum):
    """How the painted teeth differ from the fitted ones."""

    NONE = "none"
    MISSING = "missing"
    ADDED = "added"
    MERGED = "merged"

    __str__ = str.__str__


@dataclass(frozen=True)
class Count:
    """What the creases tell.

    Attributes:
        change: how the painted teeth differ.
        teeth: how many are painted.
        near: FDI number of a fitted tooth where they differ; None where they do not.
        margin: how much better this explains the creases than the fitted sequence, above what is
            asked for; for the fitted one how much worse the best rival does.
    """

    change: Change
    teeth: int
    near: int | None
    margin: float


@dataclass(frozen=True, eq=False)
class _Teeth:
    """Fitted teeth along the arch: widths (n,) in bins, creases (n - 1,) wanted, grooves (n,) allowed."""

    widths: Array
    creases: Array
    grooves: Array


def counted(jaw: FittedJaw, line: ArchLine, painted: Profile, fitted: Profile) -> Count:
    """Tell the number of painted teeth.

    Args:
        jaw: the fitted jaw.
        line: of its arch.
        painted: creases of the painted normals.
        fitted: creases of the fitted arch in the same views.
    """
    teeth = _fitted_teeth(jaw, line, fitted.mean())
    falls = _without_gaps(painted)
    if len(falls) < 3:
        return Count(Change.MISSING, 0, jaw.teeth[0], float("inf"))
    lattice = _Lattice(falls, teeth)
    own, rivals = lattice.own(), lattice.rivals()
    change, place, score = max(rivals, key=lambda rival: rival[2])
    margin = score - own - _MARGIN
    if not margin > 0:
        return Count(Change.NONE, len(jaw.teeth), None, -margin)
    more = 1 if change is Change.ADDED else -1
    return Count(change, len(jaw.teeth) + more, jaw.teeth[min(place, len(jaw.teeth) - 1)], margin)


def _fitted_teeth(jaw: FittedJaw, line: ArchLine, falls: Array) -> _Teeth:
    way, _ = line.found(jaw.soup.vertices)
    starts, ends = (np.full(len(jaw.teeth), v) for v in (np.inf, -np.inf))
    owner = np.repeat(jaw.soup.owner, 3)
    np.minimum.at(starts, owner, way[jaw.soup.faces.ravel()])
    np.maximum.at(ends, owner, way[jaw.soup.faces.ravel()])
    rim = int(_RIM_MM / BIN_MM)
    first, last = (starts / BIN_MM).astype(int), (ends / BIN_MM).astype(int)
    borders = ((ends[:-1] + starts[1:]) / 2 / BIN_MM).astype(int)
    deep = np.array([falls[max(b - 3, 0) : b + 4].max(initial=0) for b in borders])
    inside = [falls[a + rim : max(b - rim, a + rim + 1)].max(initial=0) for a, b in zip(first, last, strict=True)]
    edges = np.concatenate([[starts[0]], (ends[:-1] + starts[1:]) / 2, [ends[-1]]])
    gaps = np.concatenate([[0.0], np.maximum(starts[1:] - ends[:-1], 0), [0.0]])
    widths = np.diff(edges) - (gaps[:-1] + gaps[1:]) / 2
    return _Teeth(widths / BIN_MM, np.clip(deep / 2, *_KNOWN), np.maximum(np.array(inside) + _GROOVE, _CREASE))


def _without_gaps(painted: Profile) -> Array:
    """Falls from the first painted place to the last; an empty stretch becomes one deep crease."""
    seen = painted.weights
    full = seen > _EMPTY * np.median(seen[seen > 0]) if (seen > 0).any() else seen > 0
    falls, parts = painted.mean(), []
    edges = np.flatnonzero(np.diff(np.concatenate([[0], full.astype(int), [0]])))
    for start, end in edges.reshape(-1, 2):
        if (end - start) * BIN_MM >= _SHORTEST_MM:
            parts += [falls[start:end], np.ones(1)]
    return np.concatenate(parts[:-1]) if parts else np.zeros(0)


class _Lattice:
    """Sequences of teeth laid along a profile.

    Args:
        falls: (n,) from the first painted place to the last.
        teeth: the fitted ones.
    """

    def __init__(self, falls: Array, teeth: _Teeth) -> None:
        self._falls, self._teeth = falls, teeth
        count = len(teeth.widths)
        start = np.full(len(falls) + 1, -np.inf)
        start[0] = 0.0
        # ahead[k]: best score of teeth 0 .. k-1 that end at each place; behind[k]: of teeth k .. that begin there
        self._ahead = [start]
        for k in range(count):
            self._ahead.append(self._after(self._bordered(self._ahead[k], k), k))
        self._behind = [start[::-1]]
        for k in reversed(range(count)):
            self._behind.insert(0, self._before(self._bordered(self._behind[0], k + 1), k))

    def own(self) -> float:
        """Score of the fitted sequence."""
        return float(self._ahead[-1][-1])

    def rivals(self) -> list[tuple[Change, int, float]]:
        """Change, place and score of every other sequence."""
        count, teeth, out = len(self._teeth.widths), self._teeth, []
        for k in range(count):
            score = self._joined(self._ahead[k], self._behind[k + 1], 0 < k < count - 1)
            out.append((Change.MISSING, k, score))
        for k in range(count - 1):
            groove = float(teeth.grooves[k : k + 2].max())
            width = float(teeth.widths[k : k + 2].sum())
            score = self._between(self._bordered(self._ahead[k], k), width, groove, self._behind[k + 2], k + 2)
            out.append((Change.MERGED, k, score))
        for k in range(count + 1):
            width = float(teeth.widths[max(k - 1, 0) : k + 1].mean())
            front = self._ahead[k] + (self._worth(_CREASE) if k else 0.0)
            out.append((Change.ADDED, k, self._between(front, width, _CREASE, self._behind[k], k, _CREASE)))
        return out

    def _worth(self, crease: float) -> Array:
        """(n + 1,) what a border at each place is worth."""
        padded = np.concatenate([self._falls[:1], self._falls, self._falls[-1:]])
        return _WORTH * (np.maximum(padded[:-1], padded[1:]) - crease)

    def _bordered(self, scores: Array, k: int) -> Array:
        """Scores with the border before tooth k; the arch's ends are no borders."""
        if k in (0, len(self._teeth.widths)):
            return scores
        return scores + self._worth(float(self._teeth.creases[k - 1]))

    def _joined(self, ahead: Array, behind: Array, has_border: bool) -> float:
        return float((ahead + behind + (self._worth(_CREASE) if has_border else 0.0)).max())

    def _between(
        self, front: Array, width: float, groove: float, behind: Array, k: int, crease: float | None = None
    ) -> float:
        """Best score with one tooth of another width in between, before tooth k."""
        ends = self._with_tooth(front, width, groove)
        if crease is not None and k < len(self._teeth.widths):
            return float((ends + self._worth(crease) + behind).max())
        return float((self._bordered(ends, k) + behind).max())

    def _after(self, scores: Array, k: int) -> Array:
        return self._with_tooth(scores, float(self._teeth.widths[k]), float(self._teeth.grooves[k]))

    def _before(self, scores: Array, k: int) -> Array:
        width, groove = float(self._teeth.widths[k]), float(self._teeth.grooves[k])
        return self._with_tooth(scores[::-1], width, groove, self._falls[::-1])[::-1]

    def _with_tooth(self, scores: Array, width: float, groove: float, falls: Array | None = None) -> Array:
        """Best scores after one more tooth that begins where ``scores`` are."""
        falls = self._falls if falls is None else falls
        out, rim = np.full(len(scores), -np.inf), int(_RIM_MM / BIN_MM)
        deepest = np.full(len(scores), -np.inf)
        for size in range(1, min(int(_WIDTHS[1] * width), len(falls)) + 1):
            inner = size - 1 - rim
            if inner >= rim:
                deepest[: len(falls) - inner] = np.maximum(deepest[: len(falls) - inner], falls[inner:])
            if size < _WIDTHS[0] * width:
                continue
            cost = (np.log(size / width) / _WIDTH_SIGMA) ** 2 / 2 + _WORTH * np.maximum(deepest - groove, 0)
            out[size:] = np.maximum(out[size:], (scores - cost)[:-size])
        return out


def pooled(profiles: Sequence[Profile], keep: NDArray[np.bool_]) -> Profile | None:
    """The sum of some profiles, None of none."""
    chosen = [profile for profile, k in zip(profiles, keep, strict=True) if k]
    return sum(chosen[1:], chosen[0]) if chosen else None
