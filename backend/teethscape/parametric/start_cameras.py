"""First cameras of the five views from numbered teeth: centroids, sizes and a robust pinhole fit."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.masks import ids_of
from teethscape.dental.views import View
from teethscape.parametric.arch import ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.crowns import Placed, lower_teeth, placed_at, see
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray, rotation_matrix

#: Focal length without EXIF, relative to the longer side, and its spread (log).
FOCAL_MEAN, FOCAL_LOG_SD, FOCAL_EXIF_SD = 1.25, 0.35, 0.06
#: A tooth's centroid lies this far from the population's mean, mm.
CENTROID_SD_MM = 1.6
_BITE_PITCH = (-12.0, 0.0, 12.0)
_YAW = {
    View.ANTERIOR: (-15.0, 0.0, 15.0),
    View.LEFT_BUCCAL: (15.0, 30.0, 45.0, 60.0, 75.0),
    View.RIGHT_BUCCAL: (-15.0, -30.0, -45.0, -60.0, -75.0),
}
_OCCLUSAL_PITCH = (35.0, 50.0, 65.0, 80.0)
_STARTS_KEPT = 3


@dataclass(frozen=True)
class Points:
    """Numbered teeth of one view.

    Attributes:
        tooth: (n,) indices into ``prior.fdi``.
        centre: (n, 2) centroids, px.
        area: (n,) px^2.
        whole: (n,) false where the picture's border cuts the tooth.
    """

    tooth: NDArray[np.intp]
    centre: FloatArray
    area: FloatArray
    whole: NDArray[np.bool_]


def view_rotation(yaw: float, pitch: float) -> FloatArray:
    """World-to-camera rotation of an upright photo taken towards the back of the mouth.

    Args:
        yaw: degrees; positive when the camera stands on the patient's left.
        pitch: degrees; positive when the camera stands below and looks up.
    """
    front = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    turn = rotation_matrix(np.radians(np.array([0.0, 0.0, -yaw])))
    return rotation_matrix(np.radians(np.array([-pitch, 0.0, 0.0]))) @ front @ turn


def nominal_rotations(view: View) -> list[FloatArray]:
    """World-to-camera rotations that a photo of this view may have."""
    if view is View.MAXILLARY_OCCLUSAL:
        return [view_rotation(0.0, p) for p in _OCCLUSAL_PITCH]
    if view is View.MANDIBULAR_OCCLUSAL:
        return [view_rotation(0.0, -p) for p in _OCCLUSAL_PITCH]
    return [view_rotation(y, p) for y, p in itertools.product(_YAW[view], _BITE_PITCH)]


def counted_teeth(view: View, prior: ToothPrior) -> NDArray[np.bool_]:
    """(28,) teeth whose jaw counts in a view."""
    lower = lower_teeth(prior)
    if not view.is_occlusal:
        return np.ones(len(lower), bool)
    return lower if view is View.MANDIBULAR_OCCLUSAL else ~lower


def labelled_points(labels: NDArray[np.int32], prior: ToothPrior) -> Points:
    """Centroids and areas of the teeth in a label image of FDI numbers."""
    height, width = labels.shape
    index = {fdi: i for i, fdi in enumerate(prior.fdi)}
    rows: list[tuple[int, float, float, float, bool]] = []
    for fdi in ids_of(labels):
        if fdi in index:
            y, x = np.nonzero(labels == fdi)
            whole = min(x.min(), y.min()) > 1 and x.max() < width - 2 and y.max() < height - 2
            rows.append((index[fdi], float(x.mean()), float(y.mean()), float(len(x)), bool(whole)))
    tooth, x, y, area, whole = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    centre = np.array([x, y], float).T.reshape(-1, 2)
    return Points(np.array(tooth, np.intp), centre, np.array(area), np.array(whole, bool))


def focal_prior(width: int, height: int, focal_px: float | None) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of the focal length in px."""
    if focal_px is not None:
        return float(np.log(focal_px)), FOCAL_EXIF_SD
    return float(np.log(FOCAL_MEAN * max(width, height))), FOCAL_LOG_SD


def first_camera(
    rotation: FloatArray, anchors: FloatArray, points: Points, frame: tuple[int, int, float]
) -> Camera:
    """A camera whose roll, place and distance fit the centroids by a similarity in the plane.

    Args:
        rotation: (3, 3) world to camera before the roll.
        anchors: (n, 3) world points of the teeth, mm.
        points: their pictures.
        frame: width, height and focal length in px.
    """
    width, height, focal = frame
    pivot = anchors.mean(axis=0)
    plane = ((anchors - pivot) @ rotation.T)[:, :2]
    middle = points.centre.mean(axis=0)
    source, target = plane @ [1, 1j], (points.centre - middle) @ [1, 1j]
    factor = np.vdot(source, target) / max(np.vdot(source, source).real, 1e-9)
    roll = np.angle(factor)
    turn = rotation_matrix(np.array([0.0, 0.0, roll]))
    distance = focal / max(abs(factor), 1e-3)
    principal = np.array([width - 1, height - 1]) / 2
    offset = (middle - principal) / focal * distance
    return Camera(width, height, focal, principal, turn @ rotation, np.array([*offset, distance]), pivot)


def refine_camera(
    camera: Camera, anchors: FloatArray, points: Points, focal: tuple[float, float]
) -> tuple[Camera, float]:
    """Robust Gauss-Newton steps on pose and focal length; returns the camera and its cost."""
    cost, damping = np.inf, 1e-3
    for _ in range(12):
        pixels, _, jacobian = camera.jacobians(anchors)
        sigma = CENTROID_SD_MM * camera.focal / max(camera.translation[2], 1.0)
        sd = np.where(points.whole, sigma, 2.5 * sigma)[:, None]
        residual = (points.centre - pixels) / sd
        square = (residual**2).sum(axis=1)
        weight = 1.0 / (1.0 + square / 9.0)
        lean = (np.log(camera.focal) - focal[0]) / focal[1]
        new = float((9.0 * np.log1p(square / 9.0)).sum() + lean**2)
        j = (jacobian[:, :, :7] / sd[:, :, None]).reshape(-1, 7)
        w = np.repeat(weight, 2)
        hessian, gradient = j.T @ (w[:, None] * j), j.T @ (w * residual.ravel())
        hessian[6, 6] += 1 / focal[1] ** 2
        gradient[6] -= lean / focal[1]
        hessian[np.diag_indices(7)] *= 1 + damping
        if abs(cost - new) < 1e-4 * (1 + new):
            return camera, new
        cost = new
        step = np.linalg.solve(hessian + 1e-9 * np.eye(7), gradient)
        step *= min(1.0, 0.5 / max(np.linalg.norm(step[:3]), 1e-9))
        step[5] = np.clip(step[5], -0.4 * camera.translation[2], 0.6 * camera.translation[2])
        step[6] = np.clip(step[6], -0.3, 0.3)
        camera = camera.moved(np.r_[step, 0.0, 0.0])
    return camera, cost


@dataclass(frozen=True)
class ViewTask:
    """One camera to find.

    Attributes:
        placed: all crowns in the world.
        points: the numbered teeth of the view.
        drawn: (28,) teeth that exist and count in the view.
        size: width and height in px.
        focal: mean and standard deviation of the log focal length.
    """

    placed: Placed
    points: Points
    drawn: NDArray[np.bool_]
    size: tuple[int, int]
    focal: tuple[float, float]

    def improved(self, camera: Camera, rounds: int = 1) -> tuple[Camera, float]:
        """The camera fitted to the anchors that it really sees, and its cost."""
        cost = np.inf
        for _ in range(rounds):
            anchors = see(self.placed, camera, self.drawn).anchor[self.points.tooth]
            camera, cost = refine_camera(camera, anchors, self.points, self.focal)
        return camera, cost


def fit_camera(task: ViewTask, rotations: Sequence[FloatArray]) -> tuple[Camera, float]:
    """The best camera over several first directions, with its cost."""
    centres = task.placed.points.mean(axis=1)[task.points.tooth]
    frame = (*task.size, float(np.exp(task.focal[0])))
    starts = [task.improved(first_camera(r, centres, task.points, frame)) for r in rotations]
    starts.sort(key=lambda pair: pair[1])
    return min((task.improved(c, 3) for c, _ in starts[:_STARTS_KEPT]), key=lambda pair: pair[1])


def start_from_fdi(
    labels: Mapping[View, NDArray[np.int32]],
    prior: ToothPrior,
    focal_px: Mapping[View, float | None] | None = None,
    state: ArchState | None = None,
) -> dict[View, Camera]:
    """Cameras of views whose teeth are numbered.

    Args:
        labels: per view, an (h, w) label image of FDI numbers, 0 = none.  Numbers that
            the prior does not model are ignored.
        prior: the tooth prior.
        focal_px: per view, the focal length from EXIF in px of the label image.
        state: teeth to start from; the population mean when None.

    Returns:
        A camera per view with at least four numbered teeth, in px of the label image.
    """
    out: dict[View, Camera] = {}
    for view, image in labels.items():
        task = task_of_labels(view, image, prior, (focal_px or {}).get(view), state)
        if task is not None:
            out[view], _ = fit_camera(task, nominal_rotations(view))
    return out


def task_of_labels(
    view: View,
    labels: NDArray[np.int32],
    prior: ToothPrior,
    focal_px: float | None,
    state: ArchState | None = None,
) -> ViewTask | None:
    """The camera of one label image of FDI numbers as a task; None with fewer than four of its teeth."""
    counted = counted_teeth(view, prior)
    points = _counted(labelled_points(labels, prior), counted)
    if len(points.tooth) < 4:
        return None
    placed = placed_at(prior, state if state is not None else ArchState.mean(len(prior.fdi)))
    height, width = labels.shape
    return ViewTask(placed, points, counted, (width, height), focal_prior(width, height, focal_px))


def _counted(points: Points, counted: NDArray[np.bool_]) -> Points:
    keep = counted[points.tooth]
    return replace(
        points,
        tooth=points.tooth[keep],
        centre=points.centre[keep],
        area=points.area[keep],
        whole=points.whole[keep],
    )
