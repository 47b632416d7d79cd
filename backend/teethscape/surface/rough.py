"""What a rough surface tells before any method begins: a view at fault, and what is off in all masks alike.

The coarsest resolution of the grid is made in seconds, by the normals of all views; the masks' borders are
hardly believed. A view whose normals contradict it is left out: networks bend to whatever they are shown, so
nothing in their training would tell. Its outlines show where borders should be: that tells masks which are
all too large from a larger body, as tangents hardly do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from teethscape.errors import RefusedError
from teethscape.progress import AnyStage, Progress, SurfaceStage
from teethscape.surface.faults import odd_view
from teethscape.surface.frame import Frame
from teethscape.surface.grid.field import GridField
from teethscape.surface.grid.looks import Look
from teethscape.surface.grid.reconstruct import rough_field
from teethscape.surface.job import start_of
from teethscape.surface.mesh.marching import Array
from teethscape.surface.mesh.paint import agreement
from teethscape.surface.outlines import beyond_borders
from teethscape.surface.session import Session
from teethscape.surface.tangents import Borders, compared_borders, with_moved_borders
from teethscape.surface.views import Views

#: How far borders are thought to wander while the rough surface is made, px.
_DOUBTED_PX = 1.5
#: How far it then reaches beyond right borders, px, for a coarse grid fills what is narrow: 0.33 to 0.40 on
#: synthetic jaws; and by what share of it more when all borders are off.
_USUAL_PX, _FOLLOWS = 0.36, 0.75
#: A smaller change, px, moves hardly a border of whole pixels; and rough surfaces that are made at most.
_SMALL_PX, _MOST = 0.25, 5
#: Fewer views leave the rough surface too much freedom to tell anything of masks.
_ENOUGH = 5
#: Median of the angles, degrees, from which on normals are of no surface: those of good views are 5 to 15 off
#: the rough one's, very noisy ones 50; red and blue exchanged 75, depth turned round 110, black ones 120.
_TURNED_DEG = 60.0


@dataclass(frozen=True, eq=False)
class ComparedViews:
    """What the rough surface tells.

    Attributes:
        views: those whose normals agree, their masks as they were.
        borders: how far the borders of their masks are off.
        surface: the last rough one, mm, the views' axes; None of views without normals.
    """

    views: Views
    borders: Borders
    surface: GridField | None


class _BeforeTraining:
    """A progress that shows any work as part of reading the views."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def stage(self, name: AnyStage, fraction: float, message: str = "") -> None:  # noqa: ARG002 - the protocol
        """Report a share of the comparison."""
        self._progress.stage(SurfaceStage.VIEWS, fraction, "comparing views")

    def check_cancelled(self) -> None:
        """Ask whether to stop."""
        self._progress.check_cancelled()

    def warn(self, code: str, message: str) -> None:
        """Pass a warning on."""
        self._progress.warn(code, message)


def compared_views(views: Views, output: Path, frame: Frame, progress: Progress) -> ComparedViews:
    """Compare views with a rough surface of them all, and again without one at fault.

    Args:
        views: with normals or without.
        output: the mesh to be written; a preview may lie beside it.
        frame: of the views.
        progress: learns of a view at fault.

    Raises:
        RefusedError: the normals of most views contradict it.
        CancelledError: the user has cancelled.
    """
    count = len(views)
    if views.normals is None:
        return ComparedViews(views, compared_borders(views), None)
    borders = _as_most(views)
    session = Session(_BeforeTraining(progress), output, None, frame)
    surface = None
    for _ in range(_MOST):
        looks, surface = _rough(with_moved_borders(views, borders), frame, session)
        mesh = surface.surface()
        angles = agreement(looks, *mesh).angle_deg
        odd = odd_view(angles) if len(views) == count else None
        if odd is not None:
            session.warn("view_odd", f"{views.names[odd]} contradicts the others and is left out.")
            views = views.without(odd)
            borders = _as_most(views)
            continue
        _refuse_turned(views, angles)
        share = views.size[1] / looks[0].mask.shape[1]  # of large views smaller ones are looked at
        change = _alike(borders, (beyond_borders(looks, *mesh) - _USUAL_PX) * share)
        if abs(change) < _SMALL_PX:
            break
        borders = replace(borders, shifts=borders.shifts + change)
    return ComparedViews(views, borders, surface)


def _refuse_turned(views: Views, angles: Array) -> None:
    """Refuse normals that no surface has: of other axes or another encoding, or no normals at all.

    Args:
        views: with normals.
        angles: (n,) how far theirs are from those of the surface that they gave, degrees; NaN without any.

    Raises:
        RefusedError: most are; the message names the worst view.
    """
    known = angles[np.isfinite(angles)]
    if not len(known) or np.median(known) <= _TURNED_DEG:
        return
    worst = int(np.nanargmax(angles))
    raise RefusedError(
        "views_contradict",
        f"The normals contradict the masks and each other: those of {views.names[worst]} are "
        f"{angles[worst]:.0f} degrees from the surface that fits best, and most others little less.",
        "Check how the normals are encoded and which axes they have.",
    )


def _as_most(views: Views) -> Borders:
    """How far borders are off if most of them are right; where that is not so, the rough surface tells."""
    borders = compared_borders(views)
    return replace(borders, shifts=borders.shifts - np.median(borders.shifts))


def _rough(views: Views, frame: Frame, session: Session) -> tuple[list[Look], GridField]:
    doubted = replace(views, border_px=max(views.border_px, _DOUBTED_PX))
    return rough_field(doubted, frame.scale, start_of(views, frame), session)


def _alike(borders: Borders, beyond: Array) -> float:
    """By how much all shifts should be larger, px; 0 where too few views tell.

    Each view is asked by itself, for shifts that are too small have moved no border.

    Args:
        borders: as they were moved.
        beyond: (n,) how much farther than usual the surface reaches beyond the moved borders, px; NaN where
            nothing tells.
    """
    told = beyond / _FOLLOWS + borders.moves - borders.shifts
    told = told[np.isfinite(told)]
    return float(np.median(told)) if len(told) >= _ENOUGH else 0.0
