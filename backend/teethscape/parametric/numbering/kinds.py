"""What the network says of the kinds of teeth, as costs of numberings in nats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import PLACES
from teethscape.parametric.rotation import FloatArray

NOTHING_KNOWN: Mapping[int, Sequence[float]] = {}
#: Chance that the network is mistaken however sure it is, and how much a label counts: neighbours and photos
#: of one patient err together.
_MISTAKEN, _COUNTS = 0.1, 0.8
#: Kinds that are told apart, as columns of the places that count for them.  The network knows premolars, and
#: lower incisors, by which comes next to the canine: not where a gap has closed, which is where it is asked.
_GROUPS = ([0], [1], [2], [3, 4], [5], [6], [0, 1])
_LOWER_INCISORS = len(_GROUPS) - 1


@lru_cache(maxsize=4)
def groups_of(fdi: tuple[int, ...]) -> NDArray[np.intp]:
    """Column of :func:`kind_costs` of each FDI number."""
    of_place = [next(k for k, group in enumerate(_GROUPS) if place in group) for place in range(PLACES)]
    lower = [number >= 30 and number % 10 <= 2 for number in fdi]
    found = [_LOWER_INCISORS if low else of_place[n % 10 - 1] for n, low in zip(fdi, lower, strict=True)]
    return np.array(found, np.intp)


def kind_costs(ids: NDArray[np.integer], chances: Mapping[int, Sequence[float]]) -> FloatArray:
    """(n, 7) nats that calling each instance each kind that is told apart costs against knowing nothing.

    Args:
        ids: (n,) label values.
        chances: probability of each place in the quadrant (7,), by id; ids that it lacks cost nothing.
    """
    even = np.full(PLACES, 1 / PLACES)
    said = np.array([chances.get(int(i), even) for i in ids], float).reshape(len(ids), PLACES)
    grouped = np.stack([said[:, group].mean(axis=1) for group in _GROUPS], axis=1)
    return -_COUNTS * np.log(PLACES * ((1 - _MISTAKEN) * grouped + _MISTAKEN / PLACES))


def named_kinds(kind_cost: FloatArray, tooth: NDArray[np.intp], fdi: tuple[int, ...]) -> FloatArray:
    """(n,) nats that the names of instances cost by their kinds; 0 without a name.

    Args:
        kind_cost: (n, 7) of :func:`kind_costs`.
        tooth: (n,) index into ``fdi`` of each instance, -1 without a name.
        fdi: FDI numbers in the order of the prior.
    """
    named = kind_cost[np.arange(len(tooth)), groups_of(fdi)[tooth]]
    return np.where(tooth >= 0, named, 0.0)
