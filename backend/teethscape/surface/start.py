"""Where the first surface begins: the visual hull of the masks, or the arch that a fit has found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from teethscape.errors import RefusedError
from teethscape.surface.faults import spoilers
from teethscape.surface.grid.field import GridField
from teethscape.surface.hull import hull_mm
from teethscape.surface.mesh.marching import Array
from teethscape.surface.mesh.teeth import REACH_MM, KnownArch
from teethscape.surface.views import Views

#: Makes the start at a pitch (mm) from the views that are believed.
Start = Callable[[Views, float], GridField]
#: Nodes along the longest side when the hull's box is looked for, and the margin around it, in pitches.
_SEARCH, _MARGIN = 48, 2
#: Nodes of a start at most: so many and what is solved at them fit into eight gigabytes. In total and not
#: along a side, for jaws are flat.
MOST_NODES = 40_000_000
#: How much coarser a grid with too many nodes becomes at a time.
_COARSER = 1.002
#: Nodes within this many pitches of the surface keep their values.
KEEP = 2.0


def footprint(views: Views, scale: float) -> float:
    """Size of a pixel at the middle of the box, mm."""
    middle = (views.low + views.high) / 2
    distance = np.linalg.norm(views.centres - middle, axis=1)
    return float(np.median(distance / views.intrinsics[:, 0, 0]) * scale)


def bounded_pitch(pitch: float, extent: float, most: int) -> float:
    """A pitch, or as much more of it as leaves at most so many nodes along an extent."""
    return max(pitch, extent / (most - 1))


def node_count(extent: Array, pitch: float) -> int:
    """Nodes of a grid that reaches over an extent (3,)."""
    return int(np.prod(np.ceil(np.asarray(extent) / pitch) + 1))


def roomy_pitch(pitch: float, extent: Array, most: int) -> float:
    """A pitch, or as much more of it as leaves at most so many nodes in a box of an extent (3,)."""
    if node_count(extent, pitch) <= most:
        return pitch
    pitch = max(pitch, float(np.prod(extent) / most) ** (1 / 3))
    while node_count(extent, pitch) > most:
        pitch *= _COARSER
    return pitch


def hull_box(views: Views, scale: float) -> tuple[Array, Array]:
    """Corners of the hull's box, mm.

    Raises:
        RefusedError: the masks have no common body; the message names the views without which they have.
    """
    low, high = views.low * scale, views.high * scale
    pitch = float((high - low).max()) / _SEARCH
    counts = np.ceil((high - low) / pitch).astype(int) + 1
    grid = GridField(np.zeros(tuple(counts), np.float32), low, pitch)
    inside = grid.evaluated(hull_mm(views, scale)) < pitch
    if not inside.any():
        names = spoilers(views, grid.nodes() / scale, pitch / scale)
        without = " or without ".join(names)
        told = f"without {without} there is one" if names else "no single view is at fault"
        raise RefusedError(
            "surface_empty",
            f"The surface is empty: no place lies inside the masks of all views; {told}.",
            f"Look at {'that mask and its camera' if len(names) == 1 else 'the masks and the cameras'}"
            f"{', or leave the view at fault out with --leave-out' if names else ''}.",
        )
    index = np.argwhere(inside)
    return low + pitch * (index.min(axis=0) - _MARGIN), low + pitch * (index.max(axis=0) + _MARGIN)


def hull_field(views: Views, scale: float, box: tuple[Array, Array], pitch: float) -> GridField:
    """Signed distance of the visual hull on a grid, mm; coarser than the pitch where nodes were too many."""
    grid = _empty(box, pitch)
    values = grid.evaluated(hull_mm(views, scale))
    return replace(grid, values=values).redistanced(KEEP)


def arch_field(views: Views, scale: float, arch: KnownArch, pitch: float) -> GridField:
    """Signed distance of the fitted crowns, cut to what the masks allow, mm.

    Where the fit sticks out of a mask the mask is believed; the box holds both. The grid is coarser than the
    pitch where nodes were too many.
    """
    points = np.concatenate([solid.vertices for solid in arch.teeth.values()])
    box = points.min(axis=0) - 2 * REACH_MM, points.max(axis=0) + 2 * REACH_MM
    grid, hull = _empty(box, pitch), hull_mm(views, scale)
    values = grid.evaluated(lambda points: np.maximum(arch.signed(points), hull(points)))
    return replace(grid, values=values).redistanced(KEEP)


def _empty(box: Sequence[Array], pitch: float) -> GridField:
    low, high = box
    pitch = roomy_pitch(pitch, high - low, MOST_NODES)
    counts = np.ceil((high - low) / pitch).astype(int) + 1
    return GridField(np.zeros(tuple(counts), np.float32), low, pitch)
