"""What a method gets and gives, and where all of them start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.surface.frame import Frame
from teethscape.surface.grid.field import GridField
from teethscape.surface.mesh.marching import Array
from teethscape.surface.request import SurfaceRequest
from teethscape.surface.session import Session
from teethscape.surface.start import (
    KEEP,
    MOST_NODES,
    Start,
    arch_field,
    bounded_pitch,
    footprint,
    hull_box,
    hull_field,
    roomy_pitch,
)
from teethscape.surface.tangents import Borders
from teethscape.surface.views import Views

#: Nodes of a start along a side at most: large pictures would ask for more than memory holds.
_MOST_NODES = 512


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that a method needs.

    Attributes:
        request: what was asked.
        views: those that are believed, their masks' borders moved to where they agree.
        frame: size and place.
        start: makes the start at a pitch, mm.
        session: time, progress, checkpoints.
        key: what a checkpoint belongs to.
        borders: how far the masks' borders were off; None: they were not compared.
    """

    request: SurfaceRequest
    views: Views
    frame: Frame
    start: Start
    session: Session
    key: str
    borders: Borders | None = None

    def begun(self) -> GridField:
        """The start, mm, at the resolution of the pixels: on a coarser grid crowns lose height."""
        extent = float((self.views.high - self.views.low).max()) * self.frame.scale
        return self.start(
            self.views, bounded_pitch(footprint(self.views, self.frame.scale), extent, _MOST_NODES)
        )


@dataclass(frozen=True, eq=False)
class Found:
    """What a method found.

    Attributes:
        field: signed distance, mm, the views' axes.
        colours: (n, 3) points in mm to (n, 3) RGB 0..255, when the method knows them.
        level: value of the field at which the surface is taken, mm, to be moved back by as much.
    """

    field: GridField
    colours: Callable[[Array], NDArray[np.uint8]] | None = None
    level: float = 0.0


def start_of(views: Views, frame: Frame) -> Start:
    """What makes the start at a pitch, mm: the fitted arch, or what all masks leave of their box."""
    arch = frame.arch
    if arch is not None:
        return lambda some, pitch: arch_field(some, frame.scale, arch, pitch)
    box = hull_box(views, frame.scale)
    return lambda some, pitch: hull_field(some, frame.scale, box, pitch)


def start_at(surface: GridField) -> Start:
    """What brings a surface that is known, mm, to a pitch, mm."""
    extent = surface.high - surface.low
    return lambda _, pitch: surface.refined(roomy_pitch(pitch, extent, MOST_NODES)).redistanced(KEEP)
