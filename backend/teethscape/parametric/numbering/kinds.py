"""What the network says of the kinds of teeth, as costs of numberings in nats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.rotation import FloatArray

#: Places in the quadrant, central incisor to second molar.
KINDS = 7
NOTHING_KNOWN: Mapping[int, Sequence[float]] = {}
#: Chance that the network is mistaken however sure it is, and how much a label counts: neighbours and photos
#: of one patient err together.
_MISTAKEN, _COUNTS = 0.1, 0.8
#: Columns of the premolars.  The network tells them apart by which one follows the canine: not where a gap
#: has closed, which is where it is asked.
_PREMOLARS = [3, 4]


def kind_costs(ids: NDArray[np.integer], chances: Mapping[int, Sequence[float]]) -> FloatArray:
    """(n, 7) nats that calling each instance each kind costs against knowing nothing.

    Args:
        ids: (n,) label values.
        chances: probability of each kind (7,), by id; ids that it lacks cost nothing.
    """
    even = np.full(KINDS, 1 / KINDS)
    said = np.array([chances.get(int(i), even) for i in ids], float).reshape(len(ids), KINDS)
    said[:, _PREMOLARS] = said[:, _PREMOLARS].mean(axis=1, keepdims=True)
    return -_COUNTS * np.log(KINDS * ((1 - _MISTAKEN) * said + _MISTAKEN / KINDS))


def named_kinds(kind_cost: FloatArray, tooth: NDArray[np.intp], fdi: Sequence[int]) -> FloatArray:
    """(n,) nats that the names of instances cost by their kinds; 0 without a name.

    Args:
        kind_cost: (n, 7) of :func:`kind_costs`.
        tooth: (n,) index into ``fdi`` of each instance, -1 without a name.
        fdi: FDI numbers in the order of the prior.
    """
    kind = np.array([number % 10 - 1 for number in fdi], np.intp)[tooth]
    return np.where(tooth >= 0, kind_cost[np.arange(len(tooth)), kind], 0.0)
