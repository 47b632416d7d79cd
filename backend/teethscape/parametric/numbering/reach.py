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


def slopes(
    camera: Camera, prior: ToothPrior, state: ArchState, found: Reach, placed: PlacedHulls
) -> FloatArray:
    """(n, 24, 7 + K + 6 + 8) derivatives of a view's extents: own tooth, bite, camera and growth."""
    tooth = np.repeat(found.tooth, DIRECTIONS)
    far = found.far.ravel()
    world, turned = placed.points[tooth, far], placed.turned[tooth, far]
    across, to_camera = camera.pull(world, np.tile(UNIT, (len(found.tooth), 1)))
    lower = lower_teeth(prior)[tooth][:, None]
    own = np.where(lower, across @ rotation_matrix(state.bite[3:]), across)
    own = times(own, prior.axes[tooth])
    spin = np.exp(state.log_size)[:, None, None] * rotation_matrix(state.rotation)
    out = np.empty((len(tooth), PER_TOOTH + PER_BITE + PER_VIEW))
    out[:, :3] = own
    out[:, 3:6] = times(cross(turned, own), left_jacobian(state.rotation)[tooth])
    out[:, 6] = (own * turned).sum(axis=1)
    out[:, POSE_SIZE:PER_TOOTH] = times(times(own, spin[tooth]), placed.forms[tooth, far])
    arm = world - prior.bite_pivot - state.bite[:3]
    out[:, PER_TOOTH : PER_TOOTH + 3] = np.where(lower, across, 0.0)
    out[:, PER_TOOTH + 3 : PER_TOOTH + 6] = np.where(lower, cross(arm, across), 0.0)
    out[:, -PER_VIEW:-1] = to_camera[:, :GROWTH]
    out[:, -1] = 1.0
    return out.reshape(len(found.tooth), DIRECTIONS, -1)
