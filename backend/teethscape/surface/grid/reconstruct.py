"""The method ``grid``: a surface in minutes, without torch and without a graphics processor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from teethscape.dental.files import NPZ_DAMAGES
from teethscape.surface.grid.field import GridField, Values
from teethscape.surface.grid.looks import Look, prepared
from teethscape.surface.grid.room import roomy
from teethscape.surface.grid.solve import SolveRules, stepped
from teethscape.surface.grid.webs import opened
from teethscape.surface.hull import hull_mm
from teethscape.surface.session import Session
from teethscape.surface.start import Start, footprint
from teethscape.surface.views import Views


@dataclass(frozen=True)
class Level:
    """One resolution.

    Attributes:
        pitch: distance of nodes in footprints of a pixel.
        steps: Gauss-Newton steps.
        opens: whether webs of a start that was grown are opened between its steps; they are gone after it.
    """

    pitch: float
    steps: int
    opens: bool = False


#: How far outside the hull of the masks the surface may lie, footprints of a pixel.
_SLACK = 2.5
#: By how many standard deviations of uncertain borders the start is grown.
_GROWN = 2.0
#: The last resolution is that of the pixels: a coarser grid rounds edges and lays what is round too deep. The
#: first is not much coarser: what a grid cannot hold, as incisal edges, is gone before a finer one could.
LEVELS = (Level(2.0, 6, opens=True), Level(1.4, 4), Level(1.0, 7))
#: Distance of a preview's nodes, footprints of a pixel: Blender stands still while it takes a mesh, 10 ms for
#: 25,000 faces, and at the last resolution a jaw has three times as many.
_PREVIEW_PITCH = 4.0
#: The coarsest resolution where it is all there is: from a start that is grown far, fewer steps leave one jaw
#: farther out than another.
_ROUGH = (Level(LEVELS[0].pitch, steps=12),)


@dataclass(frozen=True, eq=False)
class _Solver:
    """What all resolutions share.

    Attributes:
        views: with normals.
        looks: the same, prepared.
        scale: mm per unit of the views' world.
        session: time, progress, checkpoints.
        levels: the resolutions, from coarse to fine.
    """

    views: Views
    looks: list[Look]
    scale: float
    session: Session
    levels: tuple[Level, ...]
    rules: SolveRules = field(default_factory=SolveRules)

    def pitch(self, number: int) -> float:
        """Distance of a resolution's nodes, mm."""
        return self.levels[number].pitch * footprint(self.views, self.scale)

    def advanced(self, now: GridField, number: int) -> GridField:
        """The field after the steps of one resolution, or as many as the time allows."""
        level = self.levels[number]
        limit, rules = self._limit(now), replace(self.rules, is_near=level is LEVELS[-1])
        total, done = (sum(each.steps for each in some) for some in (self.levels, self.levels[:number]))
        for step in range(level.steps):
            if self.session.is_over:
                break
            self.session.tell((done + step) / total, f"grid of {self.pitch(number):.2f} mm")
            if level.opens and step > 0 and self._grown > 0:
                now = opened(now, self.looks, rules.band)
            now = within(stepped(now, self.looks, rules), limit)
            self.session.show(lambda shown=now: self._preview(shown))
        return now

    def _preview(self, now: GridField) -> GridField:
        return now.refined(_PREVIEW_PITCH * footprint(self.views, self.scale))

    def _limit(self, now: GridField) -> Values:
        """Values of the hull of the masks at a field's nodes, drawn a little wider, mm.

        The equations watch the masks' borders; what drifts farther out, where no view sees it, is cut off.
        """
        hull, slack = hull_mm(self.views, self.scale), _SLACK * footprint(self.views, self.scale)
        return now.evaluated(lambda points: hull(points) - slack)

    def begun(self, start: Start) -> GridField:
        """The start, grown by what uncertain masks may have carved off."""
        now = start(self.views, self.pitch(0))
        return replace(now, values=(now.values - self._grown).astype(np.float32)).redistanced(self.rules.band)

    @property
    def _grown(self) -> float:
        """By how much the start is grown, mm."""
        return _GROWN * self.looks[0].wander * footprint(self.views, self.scale)


def solve_grid(views: Views, scale: float, start: Start, session: Session, key: str) -> GridField:
    """Solve for the signed distance, mm, coarse to fine; of views that need too much memory shrunk ones.

    Args:
        views: with normals.
        scale: mm per unit of the views' world.
        start: makes the start.
        session: time, progress, checkpoints.
        key: what a checkpoint must say to be continued.

    Raises:
        CancelledError: the user has cancelled; the checkpoint of the last resolution stays.
    """
    solver = _solver(roomy(views, scale, start, LEVELS[-1].pitch), scale, session, LEVELS)
    now, first = _continued(session, key) or (solver.begun(start), 0)
    for number in range(first, len(LEVELS)):
        if number > 0:
            now = now.refined(solver.pitch(number)).redistanced(solver.rules.band)
        now = solver.advanced(now, number)
        if session.is_over:
            break
        _save(session, key, now, number + 1)
    return now


def rough_field(views: Views, scale: float, start: Start, session: Session) -> tuple[list[Look], GridField]:
    """The views, prepared, and the signed distance, mm, of the coarsest resolution alone.

    Large views are shrunk, and so are those that are given back; how far borders are doubted is a matter of
    the pixels that the surface is solved for, and stays.

    Args:
        views: with normals.
        scale: mm per unit of the views' world.
        start: makes the start.
        session: progress; it must not be over.

    Raises:
        CancelledError: the user has cancelled.
    """
    small = replace(roomy(views, scale, start, _ROUGH[-1].pitch), border_px=views.border_px)
    solver = _solver(small, scale, session, _ROUGH)
    return solver.looks, solver.advanced(solver.begun(start), 0)


def _solver(views: Views, scale: float, session: Session, levels: tuple[Level, ...]) -> _Solver:
    return _Solver(views, [prepared(views, k, scale) for k in range(len(views))], scale, session, levels)


def within(body: GridField, limit: Values) -> GridField:
    """The part of a field's body that a limit allows."""
    return replace(body, values=np.maximum(body.values, limit))


def _save(session: Session, key: str, now: GridField, level: int) -> None:
    session.save(
        lambda stream: np.savez(
            stream, key=key, values=now.values, low=now.low, pitch=now.pitch, level=level,
            spent_s=session.spent_s,
        ),
        at_once=True,
    )  # fmt: skip


def _continued(session: Session, key: str) -> tuple[GridField, int] | None:
    """Field and next level of a checkpoint of the same views; tells of one that is of others."""
    path: Path = session.checkpoint
    try:
        with np.load(path) as file:
            if str(file["key"]) != key:
                session.warn_unused()
                return None
            now = GridField(file["values"], file["low"], float(file["pitch"]))
            found, spent_s = (now, int(file["level"])), float(file["spent_s"])
    except FileNotFoundError:
        return None
    except NPZ_DAMAGES:  # or a file of another kind
        session.warn_unused()
        return None
    session.continue_after(spent_s)
    return found
