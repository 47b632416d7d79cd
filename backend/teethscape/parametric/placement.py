"""From the fit's own frame to the world frame of the files we write."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teethscape.parametric.camera import Camera
from teethscape.parametric.interface import CameraRecord
from teethscape.parametric.rotation import FloatArray


@dataclass(frozen=True)
class Placement:
    """A similarity map ``x -> scale * rotation @ x + shift``, mm."""

    scale: float
    rotation: FloatArray
    shift: FloatArray

    def points(self, points: FloatArray) -> FloatArray:
        """(n, 3) points moved."""
        return self.scale * points @ self.rotation.T + self.shift

    def directions(self, vectors: FloatArray) -> FloatArray:
        """(n, 3) unit vectors turned."""
        return vectors @ self.rotation.T

    def covariance(self, matrix: FloatArray) -> FloatArray:
        """(3, 3) covariance turned and scaled, mm^2."""
        return self.scale**2 * self.rotation @ matrix @ self.rotation.T

    def after(self, first: Placement) -> Placement:
        """The map that applies ``first`` and then this one."""
        return Placement(
            self.scale * first.scale, self.rotation @ first.rotation, self.points(first.shift[None])[0]
        )

    def inverse(self) -> Placement:
        """The map back."""
        turn = self.rotation.T
        return Placement(1 / self.scale, turn, -(turn @ self.shift) / self.scale)

    def matrix(self) -> FloatArray:
        """(4, 4) homogeneous matrix."""
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = self.scale * self.rotation, self.shift
        return out


def rigid_alignment(source: FloatArray, target: FloatArray) -> Placement:
    """Least-squares rigid map of (n, 3) points onto others (Kabsch)."""
    a, b = source.mean(axis=0), target.mean(axis=0)
    u, _, vt = np.linalg.svd((target - b).T @ (source - a))
    turn = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    return Placement(1.0, turn, b - turn @ a)


def camera_record(camera: Camera, placement: Placement, width: int, height: int) -> CameraRecord:
    """A camera for the photo's full size, after the world it sees has moved."""
    full = camera.resized(width, height)
    cam2world = np.eye(4)
    cam2world[:3, :3] = placement.rotation @ full.rotation.T
    cam2world[:3, 3] = placement.points(full.centre[None])[0]
    principal = (float(full.principal[0]), float(full.principal[1]))
    return CameraRecord(width, height, full.focal, principal, 0.0, cam2world)
