"""How many teeth a jaw is painted with, by the creases between them.

The fitted teeth tell a sequence of widths. Rival sequences lack one of them, have one more, or have two
grown together. The sequence that explains the creases best tells the count; the fitted one is believed
unless another is clearly better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.anchor.creases import BIN_MM, Profile
from teethscape.anchor.curve import ArchLine
from teethscape.anchor.jaw import Array, FittedJaw
from teethscape.anchor.sequences import RIM, Change, Lattice, Row

#: A border between fitted teeth needs half the fall that their own surface has there, within these bounds.
_KNOWN = (0.12, 0.4)
#: Falls inside a tooth that are no border: so much more than its own grooves, and no less than the second.
_GROOVE = (0.1, 0.2)
#: How much better a rival must explain the creases; and how much worse it must explain those of the fitted
#: arch in the same views, for where that much is not told apart, the views show too little.
_MARGIN, _APART = 1.5, 4.0
#: Bins with fewer pixels than this share of the median are gaps; pieces shorter than this (mm) are no teeth.
_EMPTY, _SHORTEST_MM = 0.12, 2.5
#: Borders are looked for within so many bins of where the fit has them.
_NEAR = 3


@dataclass(frozen=True)
class Count:
    """What the creases tell.

    Attributes:
        change: how the painted teeth differ.
        teeth: how many are painted.
        near: FDI number of a fitted tooth where they differ; None where they do not.
        margin: by how much this explains the creases better than what is believed otherwise.
    """

    change: Change
    teeth: int
    near: int | None
    margin: float


def counted(jaw: FittedJaw, line: ArchLine, painted: Profile, fitted: Profile) -> Count:
    """Tell the number of painted teeth.

    Args:
        jaw: the fitted jaw.
        line: of its arch.
        painted: creases of the painted normals.
        fitted: creases of the fitted arch in the same views.
    """
    row, falls, usual = fitted_row(jaw, line, fitted.mean()), without_gaps(painted), without_gaps(fitted)
    if min(len(falls), len(usual)) * BIN_MM < _SHORTEST_MM:
        return Count(Change.MISSING, 0, jaw.teeth[0], float("inf"))
    found, expected = Lattice(falls, row), Lattice(usual, row)
    if not np.isfinite([found.own(), *(rival.score for rival in found.rivals())]).any():
        return _by_length(jaw, len(falls) / float(row.widths.sum()))
    if not np.isfinite(expected.own()):  # these views show too little of the arch itself
        return Count(Change.NONE, len(row), None, 0.0)
    better = [
        rival.score - found.own() - max(same.score - expected.own() + _APART, 0.0)
        for rival, same in zip(found.rivals(), expected.rivals(), strict=True)
    ]
    margin = float(np.nanmax(better)) - _MARGIN
    if not margin > 0:
        return Count(Change.NONE, len(row), None, -margin)
    best = found.rivals()[int(np.nanargmax(better))]
    more = 1 if best.change is Change.ADDED else -1
    return Count(best.change, len(row) + more, jaw.teeth[min(best.place, len(row) - 1)], margin)


def _by_length(jaw: FittedJaw, share: float) -> Count:
    """When not even a rival fits into what is painted: by how long that is, as a share of the fitted row."""
    change = Change.MISSING if share < 1 else Change.ADDED
    return Count(change, round(share * len(jaw.teeth)), jaw.teeth[-1], float("inf"))


def fitted_row(jaw: FittedJaw, line: ArchLine, falls: Array) -> Row:
    """The fitted teeth along the arch, with the creases and grooves of their own surface."""
    way, _ = line.found(jaw.soup.vertices)
    owner, corners = np.repeat(jaw.soup.owner, 3), way[jaw.soup.faces.ravel()] / BIN_MM
    starts, ends = (np.full(len(jaw.teeth), v) for v in (np.inf, -np.inf))
    np.minimum.at(starts, owner, corners)
    np.maximum.at(ends, owner, corners)
    borders = (ends[:-1] + starts[1:]) / 2
    gaps = np.concatenate([[0.0], np.maximum(starts[1:] - ends[:-1], 0), [0.0]])
    widths = np.diff(np.concatenate([starts[:1], borders, ends[-1:]])) - (gaps[:-1] + gaps[1:]) / 2
    deep = [falls[max(b - _NEAR, 0) : b + _NEAR + 1].max(initial=0.0) for b in borders.astype(int)]
    spans = zip(starts.astype(int) + RIM, ends.astype(int) - RIM, strict=True)
    grooves = np.array([falls[a : max(b, a + 1)].max(initial=0.0) for a, b in spans])
    known = np.clip(np.array(deep) / 2, *_KNOWN)
    return Row(np.maximum(widths, 1.0), known, np.maximum(grooves + _GROOVE[0], _GROOVE[1]))


def without_gaps(painted: Profile) -> Array:
    """Falls from the first painted place to the last; an empty stretch becomes one deep crease."""
    seen = painted.weights
    if not (seen > 0).any():
        return np.zeros(0)
    full = seen > _EMPTY * np.median(seen[seen > 0])
    falls, parts = painted.mean(), []
    edges = np.flatnonzero(np.diff(np.concatenate([[0], full.astype(int), [0]])))
    for start, end in edges.reshape(-1, 2):
        if (end - start) * BIN_MM >= _SHORTEST_MM:
            parts += [falls[start:end], np.ones(1)]
    return np.concatenate(parts[:-1]) if parts else np.zeros(0)


def pooled(profiles: Sequence[Profile], keep: NDArray[np.bool_]) -> Profile:
    """The sum of the profiles that are kept; at least one is."""
    chosen = [profile for profile, k in zip(profiles, keep, strict=True) if k]
    return sum(chosen[1:], chosen[0])
