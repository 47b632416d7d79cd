"""Brings two arches into contact, as in photographs taken with closed teeth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaw
from teethscape.parametric.rotation import FloatArray, rotation_matrix

_CELL_MM = 0.35
#: The jaws rest on this many cells per side (about 0.7 mm2), the deepest ones overlapping slightly.
_RESTING_CELLS = 6
_FRONT_OVERLAP_MM = 0.15


@dataclass(frozen=True)
class _Map:
    """Vertical gaps between the jaws, mm, at places (n, 2)."""

    places: FloatArray
    gaps: FloatArray


def _dense(crowns: list[Crown]) -> FloatArray:
    """Points (n, 3) on the crowns, about 0.25 mm apart."""
    parts = []
    for crown in crowns:
        corners = crown.vertices[crown.faces]
        edges = 0.5 * (corners + np.roll(corners, 1, axis=1))
        parts += [crown.vertices, corners.mean(axis=1), edges.reshape(-1, 3)]
    return np.vstack(parts)


def _gap_map(upper: FloatArray, lower: FloatArray) -> _Map:
    """Per vertical column: lowest upper minus highest lower point."""
    low = np.minimum(upper.min(axis=0), lower.min(axis=0))[:2]
    cell_u = ((upper[:, :2] - low) / _CELL_MM).astype(int)
    cell_l = ((lower[:, :2] - low) / _CELL_MM).astype(int)
    size = np.maximum(cell_u.max(axis=0), cell_l.max(axis=0)) + 1
    floor, roof = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(floor, tuple(cell_u.T), upper[:, 2])
    np.maximum.at(roof, tuple(cell_l.T), lower[:, 2])
    gaps = floor - roof
    both = np.isfinite(gaps)
    return _Map(low + (np.argwhere(both) + 0.5) * _CELL_MM, gaps[both])


def _resting(gaps: FloatArray) -> float | None:
    """Gap that closes when the side rests on its few highest places, mm."""
    if len(gaps) < 4 * _RESTING_CELLS:
        return None
    return float(np.partition(gaps, _RESTING_CELLS)[_RESTING_CELLS])


def _closing_step(found: _Map, front: float) -> tuple[float, float]:
    """Lift (mm) and roll (rad about +Y) that bring both sides into contact."""
    x, y = found.places[:, 0] - found.places[:, 0].mean(), found.places[:, 1]
    sides = [(side * x > 6.0) & (y > front) for side in (-1.0, 1.0)]
    rest = [_resting(found.gaps[side]) for side in sides]
    if rest[0] is None or rest[1] is None:
        whole = _resting(found.gaps)
        return (whole or 0.0), 0.0
    arm = x[sides[1]].mean() - x[sides[0]].mean()
    return 0.5 * (rest[0] + rest[1]), -(rest[1] - rest[0]) / arm


def _front_clash(found: _Map, front: float) -> float:
    """How deep the front teeth overlap, mm."""
    gaps = found.gaps[found.places[:, 1] < front]
    rest = _resting(gaps)
    return max(0.0, -rest) if rest is not None else 0.0


def settled(crowns: dict[int, Crown], start: FloatArray, opening: float) -> dict[int, Crown]:
    """Both arches with the lower jaw closed onto the upper one.

    Args:
        crowns: teeth by FDI, both jaws in the mean bite.
        start: (6,) drawn bite: translation (mm), rotation (rad) about the jaw's
            middle; its vertical part is replaced by contact.
        opening: vertical gap in mm that is left at the end.
    """
    upper = {fdi: c for fdi, c in crowns.items() if c.jaw is Jaw.UPPER}
    lower = {fdi: c for fdi, c in crowns.items() if c.jaw is Jaw.LOWER}
    pivot = np.mean([c.centre for c in lower.values()], axis=0)
    turn, shift = rotation_matrix(start[3:]), np.array([start[0], start[1], start[2]])
    roof, floor = _dense(list(upper.values())), _dense(list(lower.values()))
    front = float(np.mean([c.centre[1] for c in upper.values()])) - 4.0

    def placed(points: FloatArray) -> FloatArray:
        return (points - pivot) @ turn.T + pivot + shift

    for _ in range(40):
        found = _gap_map(roof, placed(floor))
        lift, roll = _closing_step(found, front)
        shift = shift + np.array([0.0, 0.0, lift])
        turn = rotation_matrix(np.array([0.0, roll, 0.0])) @ turn
        clash = _front_clash(_gap_map(roof, placed(floor)), front)
        if clash > _FRONT_OVERLAP_MM:
            shift = shift + np.array([0.0, 0.25, 0.0])
        elif abs(lift) < 0.02:
            break
    shift = shift - np.array([0.0, 0.0, opening])
    closed = {fdi: c.turned(turn, pivot).moved(shift) for fdi, c in lower.items()}
    return {**upper, **closed}
