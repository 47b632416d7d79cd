"""Five random cameras of a plausible clinic around a synthetic patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.rotation import FloatArray, rotation_matrix

#: Diagonal of a 36 x 24 mm picture, to which EXIF's 35-mm equivalent refers.
_DIAGONAL_35MM = 43.27


@dataclass(frozen=True)
class Clinic:
    """How a clinic takes its photos.

    Attributes:
        width: picture width, px.
        height: picture height, px.
        focal: focal length in picture widths, common to the views.
        focal_spread: s.d. of the logarithm of a view's own focal length.
        yaw: angle of the buccal views from the front, rad.
        pitch: angle of the occlusal views from the front, rad.
        roll: s.d. of the roll, rad.
        fill: share of the picture's width that the photographed teeth take.
        off_centre: s.d. of their place, in picture widths.
        exif: whether the files say their focal length.
    """

    width: int = 720
    height: int = 540
    focal: float = 1.5
    focal_spread: float = 0.05
    yaw: float = np.radians(40.0)
    pitch: float = np.radians(60.0)
    roll: float = np.radians(3.0)
    fill: float = 0.85
    off_centre: float = 0.03
    exif: bool = False


def random_clinic(rng: np.random.Generator, width: int = 720) -> Clinic:
    """A clinic drawn from the range seen in practice."""
    return Clinic(
        width=width,
        height=round(width * float(rng.choice([0.75, 2.0 / 3.0]))),
        focal=float(np.exp(rng.uniform(np.log(1.0), np.log(2.2)))),
        yaw=np.radians(rng.uniform(22.0, 58.0)),
        pitch=np.radians(rng.uniform(42.0, 78.0)),
        fill=float(rng.uniform(0.75, 1.05)),
        exif=bool(rng.random() < 0.5),
    )


def _axes(view: View, clinic: Clinic, rng: np.random.Generator) -> FloatArray:
    """(3, 3) world to camera: rows right, down, forward."""
    front = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    yaw, pitch = np.radians(rng.normal(0.0, 3.0)), np.radians(rng.normal(0.0, 4.0))
    if view in (View.LEFT_BUCCAL, View.RIGHT_BUCCAL):
        size = np.clip(clinic.yaw + np.radians(rng.normal(0.0, 4.0)), np.radians(15.0), np.radians(65.0))
        yaw = size if view is View.LEFT_BUCCAL else -size
    if view.is_occlusal:
        size = np.clip(clinic.pitch + np.radians(rng.normal(0.0, 6.0)), np.radians(35.0), np.radians(85.0))
        pitch = size if view is View.MAXILLARY_OCCLUSAL else -size
    about_z = rotation_matrix(np.array([0.0, 0.0, yaw]))
    about_x = rotation_matrix(np.array([pitch, 0.0, 0.0]))
    roll = rotation_matrix(np.array([0.0, 0.0, rng.normal(0.0, clinic.roll)]))
    return roll @ front @ (about_z @ about_x).T


def _aimed_at(view: View, rng: np.random.Generator) -> set[int]:
    """Places (last digit, sign of the side) of the teeth that the picture is to show."""
    if view.is_occlusal:
        return {side * k for side in (-1, 1) for k in range(1, 8)}
    if view is View.ANTERIOR:
        last = int(rng.integers(5, 8))
        return {side * k for side in (-1, 1) for k in range(1, last)}
    own = 1 if view is View.LEFT_BUCCAL else -1
    across = int(rng.integers(0, 4))
    return {own * k for k in range(1, 7)} | {-own * k for k in range(1, across + 1)}


def _target(view: View, crowns: Mapping[int, Crown], rng: np.random.Generator) -> FloatArray:
    """(n, 3) points that the picture is framed around, mm."""
    places = _aimed_at(view, rng)
    wanted = [
        c.vertices[~c.cap]
        for fdi, c in crowns.items()
        if c.jaw in view.jaws and (fdi % 10 if fdi // 10 in (2, 3) else -(fdi % 10)) in places
    ]
    return np.vstack(wanted)


def framed_camera(
    view: View, crowns: Mapping[int, Crown], clinic: Clinic, rng: np.random.Generator
) -> Camera:
    """A camera of the clinic that frames the teeth of a view."""
    target = _target(view, crowns, rng)
    pivot = 0.5 * (target.min(axis=0) + target.max(axis=0))
    focal = clinic.width * clinic.focal * float(np.exp(rng.normal(0.0, clinic.focal_spread)))
    middle = np.array([0.5 * (clinic.width - 1), 0.5 * (clinic.height - 1)])
    rotation = _axes(view, clinic, rng)
    camera = Camera(clinic.width, clinic.height, focal, middle, rotation, np.array([0.0, 0.0, 120.0]), pivot)
    room = np.array([clinic.fill * rng.uniform(0.92, 1.08) * clinic.width, 0.95 * clinic.height])
    place = middle + rng.normal(0.0, clinic.off_centre, 2) * clinic.width
    for _ in range(6):  # distance and aim by fixed-point iteration
        pixels = camera.project(target)
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        depth = camera.translation[2] * max(float(((high - low) / room).max()), 0.2)
        shift = (place - 0.5 * (low + high)) * camera.translation[2] / focal
        across = camera.translation[:2] + shift
        camera = replace(camera, translation=np.array([across[0], across[1], max(depth, 45.0)]))
    return camera


def clinic_cameras(
    crowns: Mapping[int, Crown], clinic: Clinic, rng: np.random.Generator
) -> dict[View, Camera]:
    """One camera per standard view."""
    return {view: framed_camera(view, crowns, clinic, rng) for view in View}


def exif_focal(camera: Camera, rng: np.random.Generator) -> float:
    """35-mm equivalent focal length (by the diagonal) as a camera rounds it, mm."""
    diagonal = float(np.hypot(camera.width, camera.height))
    return round(camera.focal / diagonal * _DIAGONAL_35MM * float(np.exp(rng.normal(0.0, 0.02))))
