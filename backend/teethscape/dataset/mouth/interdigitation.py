"""Lets teeth erupt until they meet their antagonists, as in a grown dentition.

Two rigid arches of random teeth rest on a few points and leave the others apart.
Teeth in a mouth have erupted until something stopped them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaw
from teethscape.parametric.rotation import FloatArray

_CELL_MM = 0.35
#: The gap that closes lies under this many of a tooth's closest columns.
_RESTING_CELLS = 8
_ROUNDS = 7


def _points(crown: Crown) -> FloatArray:
    """Points (n, 3) on a crown, about 0.25 mm apart."""
    corners = crown.vertices[crown.faces]
    edges = 0.5 * (corners + np.roll(corners, 1, axis=1))
    return np.vstack([crown.vertices, corners.mean(axis=1), edges.reshape(-1, 3)])


def _facing(points: FloatArray, low: FloatArray, size: tuple[int, int], upper: bool) -> FloatArray:
    """(nx, ny) height of the surface that faces the other jaw; infinite where there is none."""
    cells = ((points[:, :2] - low) / _CELL_MM).astype(int)
    out = np.full(size, np.inf)
    np.minimum.at(out, tuple(cells.T), points[:, 2] if upper else -points[:, 2])
    return out if upper else -out


def _gaps(crowns: Mapping[int, Crown]) -> dict[int, float]:
    """Free way in mm of each tooth towards its antagonists; only of teeth that have some."""
    points = {fdi: _points(crown) for fdi, crown in crowns.items()}
    everything = np.vstack(list(points.values()))
    low = everything[:, :2].min(axis=0)
    nx, ny = ((everything[:, :2].max(axis=0) - low) / _CELL_MM).astype(int) + 1
    size = (int(nx), int(ny))
    own = {f: _facing(points[f], low, size, crowns[f].jaw is Jaw.UPPER) for f in crowns}
    floor = np.min([own[f] for f in crowns if crowns[f].jaw is Jaw.UPPER], axis=0)
    roof = np.max([own[f] for f in crowns if crowns[f].jaw is Jaw.LOWER], axis=0)
    out = {}
    for fdi, crown in crowns.items():
        gap = own[fdi] - roof if crown.jaw is Jaw.UPPER else floor - own[fdi]
        gap = gap[np.isfinite(gap)]
        if len(gap) > 4 * _RESTING_CELLS:
            out[fdi] = float(np.partition(gap, _RESTING_CELLS)[_RESTING_CELLS])
    return out


def interdigitated(crowns: Mapping[int, Crown], most: float = 2.4) -> dict[int, Crown]:
    """Teeth of both jaws, each erupted or intruded by up to ``most`` mm until it meets the other jaw.

    Incisors move a third as far: lips and overbite hold them, not contact.
    """
    out = dict(crowns)
    moved = dict.fromkeys(crowns, 0.0)
    for _ in range(_ROUNDS):
        for fdi, gap in _gaps(out).items():
            limit = most if fdi % 10 > 2 else most / 3.0
            step = float(np.clip(moved[fdi] + 0.5 * gap, -limit, limit)) - moved[fdi]
            moved[fdi] += step
            sign = -1.0 if out[fdi].jaw is Jaw.UPPER else 1.0
            out[fdi] = out[fdi].moved(np.array([0.0, 0.0, sign * step]))
    return out
