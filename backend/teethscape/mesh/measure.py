"""Tooth widths and arch widths of a finished case, with intervals.

Lengths are defined in ``dental.lengths``; intervals hold the true length with a
probability of 90 %, provided that the errors are Gaussian.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from teethscape.dental.case import CaseFolder
from teethscape.mesh.ply import read_ply

#: Half width of a 90 % interval in standard deviations.
_NINETY_PERCENT = 1.6449
#: Teeth with a single cusp: with several, the highest one differs from mouth to mouth.
ARCH_PAIRS = ((13, 23), (33, 43))
_ANTERIOR = (11, 12, 13, 21, 22, 23), (31, 32, 33, 41, 42, 43)


@dataclass(frozen=True)
class Measurement:
    """A length and its 90 % interval.

    Attributes:
        name: such as ``11`` or ``33-43``.
        mm: the length.
        sigma_mm: its standard deviation, the scale's included.
    """

    name: str
    mm: float
    sigma_mm: float

    @property
    def interval_mm(self) -> tuple[float, float]:
        """Ends of the 90 % interval."""
        half = _NINETY_PERCENT * self.sigma_mm
        return self.mm - half, self.mm + half

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        low, high = self.interval_mm
        return {
            "name": self.name,
            "mm": round(self.mm, 3),
            "sigma_mm": round(self.sigma_mm, 3),
            "interval_90_mm": [round(low, 3), round(high, 3)],
        }


def tooth_widths(record: Mapping[str, Any]) -> list[Measurement]:
    """Mesiodistal widths from a case record."""
    return [
        Measurement(str(tooth["fdi"]), tooth["width_mm"], tooth["width_sigma_mm"])
        for tooth in record["teeth"]
        if tooth["width_mm"] is not None
    ]


def arch_widths(case: CaseFolder, record: Mapping[str, Any]) -> list[Measurement]:
    """Distances between the tips of the canines of each jaw."""
    teeth = {tooth["fdi"]: tooth for tooth in record["teeth"]}
    relative = record["scale"]["relative_sigma"]
    found = []
    for first, second in ARCH_PAIRS:
        if first not in teeth or second not in teeth:
            continue
        a, a_sigma = _tip(case, teeth[first])
        b, b_sigma = _tip(case, teeth[second])
        length = float(np.linalg.norm(a - b))
        sigma = math.sqrt(a_sigma**2 + b_sigma**2 + (relative * length) ** 2)
        found.append(Measurement(f"{first}-{second}", length, sigma))
    return found


def bolton_ratio(widths: Sequence[Measurement], sixes: bool) -> float | None:
    """Lower over upper sum of widths (Bolton 1958), or None when a tooth is missing.

    Args:
        widths: of all teeth.
        sixes: the six front teeth of each jaw instead of the twelve to the first molars.
    """
    by_name = {int(w.name): w.mm for w in widths}
    upper, lower = _ANTERIOR
    if not sixes:
        upper = (*upper, 14, 15, 16, 24, 25, 26)
        lower = (*lower, 34, 35, 36, 44, 45, 46)
    if not set(upper) | set(lower) <= set(by_name):
        return None
    return sum(by_name[f] for f in lower) / sum(by_name[f] for f in upper)


def _tip(case: CaseFolder, tooth: Mapping[str, Any]) -> tuple[np.ndarray, float]:
    """Point farthest along the tooth's occlusal axis, and its standard deviation, mm."""
    solid, properties = read_ply(case.root / tooth["mesh"])
    occlusal = np.asarray(tooth["axes"])[:, 2]
    index = int(np.argmax(solid.vertices @ occlusal))
    return solid.vertices[index], float(properties["sigma_mm"][index])
