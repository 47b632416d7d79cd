"""Cameras of the published TeethDreamer render scripts, from their angles alone.

Numpy only: the render scripts read it inside Blender, the engine checks files with it.

World frame of those scripts: right-handed, z towards the palate, +Y in front of the
incisors, +X at the patient's right; the jaw pair is centred and its largest extent is 1.
A mesh file has y up and z to the front; :data:`FILE_TO_WORLD` turns it into the world.
Cameras follow OpenCV (x right, y down, z forward) and look at the origin.
Source: ``teethdreamer-spec.md``, sections 1.4, 4.1 and 7.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw

Array = NDArray[np.float64]

FOCAL_MM, SENSOR_MM = 35.0, 32.0
DISTANCE = 1.5
#: Turn of a mesh file's frame into the world: Euler XYZ (-90, -180, 0) degrees.
FILE_TO_WORLD: Array = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
TARGET_COUNT = 16
_TARGET_AZIMUTHS = (30.0, 60.0, 120.0, 150.0)
_TARGET_ELEVATIONS = (0.0, 22.5, 45.0, 67.5)
#: Name of a conditioning view: azimuth and elevation, degrees.
CONDITION_VIEWS: dict[str, tuple[float, float]] = {
    "left": (0.0, 0.0),
    "front": (90.0, 0.0),
    "right": (180.0, 0.0),
    "down": (90.0, -75.0),
    "up": (90.0, 75.0),
}
_JITTER_DEG = 10.0
_JITTER_DISTANCE = 0.2


@dataclass(frozen=True)
class Cameras:
    """n cameras that look at the origin.

    Attributes:
        intrinsics: (3, 3) float32 K, pixels; a pixel's centre lies at +0.5.
        azimuths: (n,) float32, radians.
        elevations: (n,) float32, radians.
        distances: (n,) float32, in extents of the jaw pair.
        poses: (n, 3, 4) float64, world to camera, OpenCV axes.
    """

    intrinsics: NDArray[np.float32]
    azimuths: NDArray[np.float32]
    elevations: NDArray[np.float32]
    distances: NDArray[np.float32]
    poses: Array

    def __len__(self) -> int:
        return len(self.azimuths)

    def published_list(self) -> list[NDArray[np.floating]]:
        """Content of a ``meta.pkl``: K, azimuths, elevations, distances, poses."""
        return [self.intrinsics, self.azimuths, self.elevations, self.distances, self.poses]


def intrinsics(size: int) -> NDArray[np.float32]:
    """(3, 3) K of a square picture of ``size`` pixels."""
    focal = FOCAL_MM / SENSOR_MM * size
    return np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]], np.float32)


def pose(azimuth: float, elevation: float, distance: float) -> Array:
    """(3, 4) world to camera of one camera that looks at the origin; angles in radians."""
    level = np.cos(elevation)
    towards = np.array([np.cos(azimuth) * level, np.sin(azimuth) * level, np.sin(elevation)])
    right = np.cross(-towards, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(-towards, right)
    # The centre lies on the viewing axis, so its other two coordinates vanish.
    return np.column_stack([np.stack([right, down, -towards]), (0.0, 0.0, distance)])


def cameras(azimuths_deg: NDArray, elevations_deg: NDArray, distances: NDArray, size: int) -> Cameras:
    """Cameras from (n,) angles in degrees, (n,) distances and the picture's size in pixels."""
    azimuths, elevations = (np.radians(a).astype(np.float32) for a in (azimuths_deg, elevations_deg))
    distances = np.asarray(distances, np.float32)
    each = zip(azimuths.tolist(), elevations.tolist(), distances.tolist(), strict=True)
    poses = np.array([pose(*angles) for angles in each]).reshape(-1, 3, 4)
    return Cameras(intrinsics(size), azimuths, elevations, distances, poses)


def target_cameras(jaw: Jaw, size: int, count: int = TARGET_COUNT) -> Cameras:
    """The first ``count`` of a jaw's 16 fixed views; the upper jaw is seen from below."""
    rows = len(_TARGET_ELEVATIONS)
    azimuths = np.tile(_TARGET_AZIMUTHS, rows)[:count]
    elevations = np.repeat(_TARGET_ELEVATIONS, len(_TARGET_AZIMUTHS))[:count]
    sign = -1.0 if jaw is Jaw.UPPER else 1.0
    return cameras(azimuths, sign * elevations, np.full(len(azimuths), DISTANCE), size)


def condition_views(jaw: Jaw) -> tuple[str, ...]:
    """Names of the four conditioning views of a jaw, in the published order of rendering."""
    return ("left", "front", "right", "down" if jaw is Jaw.UPPER else "up")


def input_cameras(view: str, size: int, count: int, seed: int, uid: str) -> Cameras:
    """Cameras scattered about a conditioning view.

    Azimuth and elevation deviate by up to 10 degrees, the distance by 0 to +0.2, evenly.
    The draw depends on seed, object and view only, not on what was rendered before.
    """
    rng = np.random.default_rng([seed, zlib.crc32(uid.encode()), zlib.crc32(view.encode())])
    azimuth, elevation = CONDITION_VIEWS[view]
    turns = rng.uniform(-_JITTER_DEG, _JITTER_DEG, (count, 2))
    distances = DISTANCE + rng.uniform(0.0, _JITTER_DISTANCE, count)
    return cameras(azimuth + turns[:, 0], elevation + turns[:, 1], distances, size)
