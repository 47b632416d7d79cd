"""The method ``grid``: a surface in minutes, without torch and without a graphics processor."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from teethscape.surface.faults import odd_view
from teethscape.surface.grid.field import GridField
from teethscape.surface.grid.looks import Look, prepared
from teethscape.surface.grid.solve import SolveRules, stepped
from teethscape.surface.hull import hull_distance
from teethscape.surface.mesh.marching import Array
from teethscape.surface.mesh.paint import agreement
from teethscape.surface.session import Session
from teethscape.surface.start import footprint
from teethscape.surface.views import Views

#: Makes the start at a pitch (mm) from the views that are believed.
Start = Callable[[Views, float], GridField]


@dataclass(frozen=True)
class Level:
    """One resolution.

    Attributes:
        pitch: distance of nodes in footprints of a pixel.
        steps: Gauss-Newton steps.
    """

    pitch: float
    steps: int


#: How far outside the hull of the masks the surface may lie, footprints of a pixel.
_SLACK = 2.5
LEVELS = (Level(3.5, 4), Level(2.0, 4), Level(1.3, 4))


@dataclass(frozen=True, eq=False)
class GridResult:
    """What the grid found.

    Attributes:
        field: signed distance, mm.
        trust: (n views,) 0 for a view that was left out because it contradicts the others.
    """

    field: GridField
    trust: Array


def solve_grid(views: Views, scale: float, start: Start, session: Session, key: str) -> GridResult:
    """Solve for the surface, coarse to fine.

    Args:
        views: with normals.
        scale: mm per unit of the views' world.
        start: makes the start.
        session: time, progress, checkpoints.
        key: what a checkpoint must say to be continued.
    """
    looks = [prepared(views, k, scale) for k in range(len(views))]
    rules, pixel = SolveRules(), footprint(views, scale)
    total, done = sum(level.steps for level in LEVELS), 0
    found = _continued(session, key)
    field, trust, first = found or (start(views, LEVELS[0].pitch * pixel), np.ones(len(views)), 0)
    for number, level in enumerate(LEVELS):
        if number < first:
            done += level.steps
            continue
        if number > 0:
            field = field.refined(level.pitch * pixel).redistanced(rules.band)
        limit = _limit(views, trust, scale, field)
        for _ in range(level.steps):
            if session.is_over:
                return GridResult(field, trust)
            session.tell(done / total, f"grid of {level.pitch * pixel:.2f} mm")
            field, done = within(stepped(field, looks, trust, rules), limit), done + 1
            session.show(lambda now=field: now)
        if number == 0:
            field, trust = _without_odd(views, looks, field, (start, level, pixel), session)
        _save(session, key, field, trust, number + 1)
    return GridResult(field, trust)


def _limit(views: Views, trust: Array, scale: float, field: GridField) -> Array:
    """Values of the hull of the believed masks at a field's nodes, drawn a little wider, mm.

    The equations watch the masks' borders; what drifts farther out, unseen from everywhere else, is cut off.
    """
    believed = views.subset(np.flatnonzero(trust > 0).tolist())
    hull = hull_distance(believed, field.nodes() / scale) * scale
    return np.asarray(hull.reshape(field.values.shape) - _SLACK * footprint(views, scale), np.float64)


def within(field: GridField, limit: Array) -> GridField:
    """The part of a field's body that a limit allows."""
    return GridField(np.maximum(field.values, limit).astype(np.float32), field.low, field.pitch)


def _without_odd(
    views: Views, looks: list[Look], field: GridField, begin: tuple[Start, Level, float], session: Session
) -> tuple[GridField, Array]:
    """Leave a view out whose normals contradict the others' surface, and begin anew without it."""
    start, level, pixel = begin
    odd = odd_view(agreement(looks, *field.surface()).angle_deg)
    trust = np.ones(len(views))
    if odd is None:
        return field, trust
    session.warn("view_odd", f"{views.names[odd]} contradicts the others and is left out.")
    trust[odd] = 0
    field = start(views.subset([k for k in range(len(views)) if k != odd]), level.pitch * pixel)
    for _ in range(level.steps):
        field = stepped(field, looks, trust, SolveRules())
    return field, trust


def _save(session: Session, key: str, field: GridField, trust: Array, level: int) -> None:
    session.save(
        lambda stream: np.savez(
            stream, key=key, values=field.values, low=field.low, pitch=field.pitch, trust=trust, level=level,
            spent_s=session.spent_s,
        ),
        at_once=True,
    )  # fmt: skip


def _continued(session: Session, key: str) -> tuple[GridField, Array, int] | None:
    """Field, trust and next level of a checkpoint of the same views, if there is one."""
    path: Path = session.checkpoint
    try:
        with np.load(path) as file:
            if str(file["key"]) != key:
                return None
            field = GridField(file["values"], file["low"], float(file["pitch"]))
            session.continue_after(float(file["spent_s"]))
            return field, file["trust"], int(file["level"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
