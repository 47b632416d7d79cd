"""Random cameras that take the five standard photographs of a set of crowns."""

from __future__ import annotations

import numpy as np

from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.rotation import FloatArray, rotation_matrix

#: World to camera (rows right, down, forward) of the ideal photographs.
_FRONT = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
_UPPER = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
_LOWER = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])


def _turn_x(angle: float) -> FloatArray:
    """Rotation matrix about the camera's x axis."""
    return rotation_matrix(np.array([angle, 0.0, 0.0]))


def ideal_rotation(view: View, angle: float) -> FloatArray:
    """World to camera of a view; ``angle`` (rad) is the yaw of a buccal, the tilt of an occlusal photo."""
    if view is View.LEFT_BUCCAL:
        return _FRONT @ rotation_matrix(np.array([0.0, 0.0, -angle]))
    if view is View.RIGHT_BUCCAL:
        return _FRONT @ rotation_matrix(np.array([0.0, 0.0, angle]))
    if view is View.MAXILLARY_OCCLUSAL:
        return _turn_x(angle) @ _UPPER
    if view is View.MANDIBULAR_OCCLUSAL:
        return _turn_x(-angle) @ _LOWER
    return _FRONT


def _angle(view: View, rng: np.random.Generator) -> float:
    """Yaw or tilt in rad."""
    if view is View.ANTERIOR:
        return 0.0
    low, high = (-0.4, 0.55) if view.is_occlusal else (0.5, 1.25)
    return float(rng.uniform(low, high))


def _framed(points: FloatArray, view: View, rng: np.random.Generator) -> tuple[FloatArray, float]:
    """Centre (2,) and width of the frame in plane coordinates x/z, y/z."""
    low, high = np.percentile(points, (1, 99), axis=0)
    width = (high[0] - low[0]) / rng.uniform(0.55, 1.05)
    centre = (low + high) / 2
    if view in (View.LEFT_BUCCAL, View.RIGHT_BUCCAL):
        width = (high[0] - low[0]) / rng.uniform(0.7, 1.25)
        side = 1.0 if view is View.LEFT_BUCCAL else -1.0
        centre[0] += side * rng.uniform(-0.05, 0.08) * width
    centre += rng.normal(0, 0.04, 2) * width
    return centre, float(width)


def random_camera(crowns: list[Crown], view: View, size: tuple[int, int], rng: np.random.Generator) -> Camera:
    """A camera that frames the crowns of a view as clinics do, roughly.

    Args:
        crowns: those the photo is about, world mm.
        view: which photograph.
        size: width and height in px.
        rng: source of randomness.
    """
    jitter = rotation_matrix(rng.normal(0, np.deg2rad([5.0, 5.0, 4.0])))
    rotation = jitter @ ideal_rotation(view, _angle(view, rng))
    points = np.vstack([c.vertices[::8] for c in crowns])
    pivot = points.mean(axis=0)
    translation = np.array([0.0, 0.0, rng.uniform(130.0, 420.0)])
    local = (points - pivot) @ rotation.T + translation
    plane = local[:, :2] / local[:, 2:]
    centre, extent = _framed(plane, view, rng)
    focal = size[0] / extent
    tall = np.ptp(plane[:, 1]) * focal / size[1]
    focal *= min(1.0, rng.uniform(0.85, 1.1) / tall) if view.is_occlusal else min(1.0, 0.9 / tall)
    principal = (np.array(size) - 1) / 2 - centre * focal
    return Camera(size[0], size[1], float(focal), principal, rotation, translation, pivot)
