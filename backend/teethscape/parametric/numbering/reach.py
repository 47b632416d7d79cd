"""How far the crowns of a view reach in all directions, and how that changes with every unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.arch import POSE_SIZE, ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.crowns import lower_teeth
from teethscape.parametric.numbering.hulls import FORMS, PlacedHulls
from teethscape.parametric.numbering.joint import NumberedView
from teethscape.parametric.numbering.outline import DIRECTIONS, UNIT, ViewRows, farthest
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray, cross, left_jacobian, rotation_matrix, times

#: Unknowns of a tooth, of the bite, and of a view: camera rotation, translation, log focal length;
#: growth of its labels.
PER_TOOTH, PER_BITE, PER_VIEW = POSE_SIZE + FORMS, 6, 8
FOCAL, GROWTH = 6, 7


@dataclass(frozen=True)
class Reach:
    """The farthest points of the n crowns of a view.

    Attributes:
        tooth: (n,) index of the tooth.
        far: (n, 24) number of its farthest point in every direction.
        extent: (n, 24) expected, px.
    """

    tooth: NDArray[np.intp]
    far: NDArray[np.intp]
    extent: FloatArray


def reach(numbered: NumberedView, rows: ViewRows, placed: PlacedHulls) -> Reach:
    """Expected extents of a view's instances."""
    tooth = numbered.tooth[rows.instance]
    _, far, extent = farthest(numbered.camera, placed.points[tooth])
    return Reach(tooth, far, extent)


@dataclass(frozen=True)
class Turns:
    """How crowns are turned at a state, once for all views.

    Attributes:
        own: (28, 3, 3) a direction of the world, as a row, times this is in the axes of the tooth.
        spun: (28, 3, 3) derivative of a tooth's turn to its rotation vector.
        formed: (28, 3, 3) the same direction in the axes of the crown's forms.
        lower: (28,) teeth that the bite moves.
        hinge: (3,) the point about which it turns them, mm.
    """

    own: FloatArray
    spun: FloatArray
    formed: FloatArray
    lower: NDArray[np.bool_]
    hinge: FloatArray


def turns_of(prior: ToothPrior, state: ArchState) -> Turns:
    """The turns of all teeth at a state."""
    lower = lower_teeth(prior)
    own = np.where(lower[:, None, None], rotation_matrix(state.bite[3:]) @ prior.axes, prior.axes)
    spin = np.exp(state.log_size)[:, None, None] * rotation_matrix(state.rotation)
    hinge = prior.bite_pivot + state.bite[:3]
    return Turns(own, left_jacobian(state.rotation), own @ spin, lower, hinge)


def camera_slopes(camera: Camera, found: Reach, placed: PlacedHulls) -> tuple[FloatArray, FloatArray]:
    """Derivatives of a view's extents to their world points (n 24, 3), and to camera and growth (n 24, 8)."""
    world = placed.points[np.repeat(found.tooth, DIRECTIONS), found.far.ravel()]
    across, to_camera = camera.pull(world, np.tile(UNIT, (len(found.tooth), 1)))
    return across, np.concatenate([to_camera[:, :GROWTH], np.ones((len(world), 1))], axis=1)


def slopes(camera: Camera, turns: Turns, found: Reach, placed: PlacedHulls) -> NDArray[np.float32]:
    """(n, 24, 7 + K + 6 + 8) derivatives of a view's extents: own tooth, bite, camera and growth."""
    tooth, far = np.repeat(found.tooth, DIRECTIONS), found.far.ravel()
    across, to_camera = camera_slopes(camera, found, placed)
    turned, own = placed.turned[tooth, far], times(across, turns.own[tooth])
    out = np.empty((len(tooth), PER_TOOTH + PER_BITE + PER_VIEW), np.float32)
    out[:, :3] = own
    out[:, 3:6] = times(cross(turned, own), turns.spun[tooth])
    out[:, 6] = (own * turned).sum(axis=1)
    out[:, POSE_SIZE:PER_TOOTH] = times(times(across, turns.formed[tooth]), placed.forms[tooth, far])
    moved = across * turns.lower[tooth][:, None]
    out[:, PER_TOOTH : PER_TOOTH + 3] = moved
    out[:, PER_TOOTH + 3 : PER_TOOTH + 6] = cross(placed.points[tooth, far] - turns.hinge, moved)
    out[:, -PER_VIEW:] = to_camera
    return out.reshape(len(found.tooth), DIRECTIONS, -1)
