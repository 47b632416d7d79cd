"""How far the crowns of a view reach in all directions, and how that changes with every unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.arch import POSE_SIZE, ArchState
from teethscape.parametric.camera import Camera, step_slopes
from teethscape.parametric.numbering.crowns import lower_teeth
from teethscape.parametric.numbering.hulls import FORMS, PlacedHulls
from teethscape.parametric.numbering.joint import NumberedView
from teethscape.parametric.numbering.outline import DIRECTIONS, UNIT, ViewRows, outermost
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray, cross, left_jacobian, rotation_matrix, times

#: Unknowns of a tooth, of the bite, and of a view: camera rotation, translation, log focal length;
#: growth of its labels.
PER_TOOTH, PER_BITE, PER_VIEW = POSE_SIZE + FORMS, 6, 8
FOCAL, GROWTH = 6, 7


@dataclass(frozen=True)
class Rows:
    """The believed extents of v views, joined: numpy takes long for many small arrays.

    Attributes:
        parts: per view, its instances among the n of all.
        view: (n,) place of an instance's view.
        tooth: (n,) index of its tooth.
        extent: (n, 24) px, 0 where not believed.
        whiten: (n, 24, 24) inverse of the noise's Cholesky factor, 1/px; 0 where not believed.
        count: (n,) believed extents.
    """

    parts: tuple[slice, ...]
    view: NDArray[np.intp]
    tooth: NDArray[np.intp]
    extent: FloatArray
    whiten: FloatArray
    count: NDArray[np.intp]

    @classmethod
    def joined(cls, views: Sequence[NumberedView], rows: Sequence[ViewRows]) -> Rows:
        """Those of the views in this order."""
        sizes = [len(own.instance) for own in rows]
        ends = np.cumsum(sizes)
        return cls(
            tuple(slice(int(end) - size, int(end)) for size, end in zip(sizes, ends, strict=True)),
            np.repeat(np.arange(len(rows)), sizes),
            np.concatenate([view.tooth[own.instance] for view, own in zip(views, rows, strict=True)]),
            np.concatenate([own.extent for own in rows]),
            np.concatenate([own.whiten for own in rows]),
            np.concatenate([own.count for own in rows]),
        )

    @cached_property
    def whiten_single(self) -> NDArray[np.float32]:
        """``whiten`` in single precision, which is enough for slopes."""
        return self.whiten.astype(np.float32)

    def whitened(self, expected: FloatArray) -> FloatArray:
        """(n, 24) residuals in units of their noise, uncorrelated; ``expected`` (n, 24) px."""
        return (self.whiten @ (self.extent - expected)[:, :, None])[:, :, 0]


@dataclass(frozen=True)
class Reach:
    """The farthest points of the crowns of n instances.

    Attributes:
        far: (n, 24) number of its farthest point in every direction.
        local: (3, n, 24) where that is in the camera, mm.
        focal: (n, 1) of the camera, px.
        extent: (n, 24) expected, px.
    """

    far: NDArray[np.intp]
    local: FloatArray
    focal: FloatArray
    extent: FloatArray


def reach(cameras: Sequence[Camera], rows: Rows, placed: PlacedHulls) -> Reach:
    """Expected extents of the instances of all views."""
    points = placed.points[rows.tooth]
    local = np.concatenate(
        [
            camera.columns(points[part].reshape(-1, 3)).reshape(3, -1, points.shape[1])
            for camera, part in zip(cameras, rows.parts, strict=True)
        ],
        axis=1,
    )
    focal = np.array([camera.focal for camera in cameras])[rows.view, None]
    middle = np.array([camera.principal for camera in cameras])[rows.view].T[:, :, None]
    far = outermost(local[:2] * (focal / local[2]) + middle)
    there = np.take_along_axis(local, far[None], axis=2)
    pixels = there[:2] * (focal / there[2]) + middle
    return Reach(far, there, focal, (pixels * UNIT.T[:, None]).sum(axis=0))


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


def camera_slopes(cameras: Sequence[Camera], rows: Rows, found: Reach) -> FloatArray:
    """(n, 24, 8) derivatives of the extents to their camera and the growth of its labels."""
    translation = np.array([camera.translation for camera in cameras])[rows.view, None]
    out = step_slopes(found.local.transpose(1, 2, 0), UNIT, found.focal, translation)[..., :PER_VIEW]
    out[..., GROWTH] = 1.0
    return out


def slopes(
    cameras: Sequence[Camera], turns: Turns, rows: Rows, found: Reach, placed: PlacedHulls
) -> NDArray[np.float32]:
    """(n, 24, 7 + K + 6 + 8) derivatives of all extents: own tooth, bite, camera and growth."""
    tooth, far = np.repeat(rows.tooth, DIRECTIONS), found.far.ravel()
    to_camera = camera_slopes(cameras, rows, found)
    turned_to = np.array([camera.rotation for camera in cameras])[rows.view]
    across = (to_camera[..., 3:6] @ turned_to).reshape(-1, 3)
    turned, own = placed.turned[tooth, far], times(across, turns.own[tooth])
    out = np.empty((len(tooth), PER_TOOTH + PER_BITE + PER_VIEW), np.float32)
    out[:, :3] = own
    out[:, 3:6] = times(cross(turned, own), turns.spun[tooth])
    out[:, 6] = (own * turned).sum(axis=1)
    out[:, POSE_SIZE:PER_TOOTH] = times(times(across, turns.formed[tooth]), placed.forms[tooth, far])
    moved = across * turns.lower[tooth][:, None]
    out[:, PER_TOOTH : PER_TOOTH + 3] = moved
    out[:, PER_TOOTH + 3 : PER_TOOTH + 6] = cross(placed.points[tooth, far] - turns.hinge, moved)
    out[:, -PER_VIEW:] = to_camera.reshape(-1, PER_VIEW)
    return out.reshape(len(rows.tooth), DIRECTIONS, -1)
