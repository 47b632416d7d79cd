"""The published cameras as cameras of the patient: one similarity moves all eight.

Frames: the views' world is TeethDreamer's (z to the palate, +Y in front of the incisors, +X at the
patient's right, the largest extent of the jaw pair is 1); the patient's is that of every file (mm, +X left,
+Y posterior, +Z cranial). Source: ``teethdreamer-spec.md``, sections 1.4 and 4.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.anchor.jaw import Array, FittedJaw
from teethscape.dataset.published_views import target_cameras
from teethscape.dental.fdi import Jaw
from teethscape.mesh.align import Similarity
from teethscape.parametric.camera import Camera

#: The first of the published views that is painted, and how many are.
FIRST, COUNT = 8, 8
#: Pixels of a published picture's side; limits in pixels are meant at this size.
USUAL_SIZE = 256
#: The patient's axes in the views' world: (x, y, z) to (-x, -y, z).
_TURN: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0])


def view_name(view: int) -> str:
    """What to call view 0 to 7 in messages: its number among the published ones."""
    return f"view {FIRST + view}"


def normalised(low: Array, high: Array) -> Similarity:
    """The patient's frame to the views' world as the renderer of the training data lays jaws into it.

    Args:
        low: (3,) lower corner of the box around both jaws, mm.
        high: (3,) its upper corner.
    """
    scale = 1.0 / float((high - low).max())
    return Similarity(scale, _TURN, -scale * _TURN @ (low + high) / 2)


def start_of(jaw: FittedJaw) -> Similarity:
    """Where the jaw lies when the views are painted as the training data were rendered."""
    return normalised(jaw.low, jaw.high)


def rotations(jaw: Jaw) -> Array:
    """(8, 3, 3) the views' world to the cameras, OpenCV axes."""
    return target_cameras(jaw, 1).poses[FIRST : FIRST + COUNT, :, :3]


def cameras_in_mm(jaw: Jaw, size: int, place: Similarity) -> tuple[Camera, ...]:
    """The eight cameras as if they stood around the patient.

    Args:
        jaw: chooses the views.
        size: pixels of a picture's side.
        place: the patient's frame to the views' world.
    """
    published = target_cameras(jaw, size)
    focal, centre = float(published.intrinsics[0, 0]), float(published.intrinsics[0, 2]) - 0.5
    return tuple(
        Camera(
            size,
            size,
            focal,
            np.full(2, centre),
            pose[:, :3] @ place.rotation,
            (pose[:, :3] @ place.shift + pose[:, 3]) / place.scale,
            np.zeros(3),
        )
        for pose in published.poses[FIRST : FIRST + COUNT]
    )
