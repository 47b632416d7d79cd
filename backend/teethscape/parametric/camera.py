"""Pinhole cameras in OpenCV axes: x right, y down, z forward."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from teethscape.parametric.rotation import FloatArray, cross, rotation_matrix

#: Parameters of a camera step: rotation 3 (rad, about the pivot), translation 3 (mm),
#: log focal length 1, principal point 2 (px).
CAMERA_SIZE = 9
_FLIP = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; pixel centres lie at integer coordinates.

    Attributes:
        width: image width in px.
        height: image height in px.
        focal: focal length in px.
        principal: (2,) principal point in px.
        rotation: (3, 3) world to camera.
        translation: (3,) camera coordinates of ``pivot``, mm.
        pivot: (3,) world point about which steps rotate, mm.
    """

    width: int
    height: int
    focal: float
    principal: FloatArray
    rotation: FloatArray
    translation: FloatArray
    pivot: FloatArray

    @property
    def cam2world(self) -> FloatArray:
        """(4, 4) camera to world, OpenCV axes, mm."""
        out = np.eye(4)
        out[:3, :3] = self.rotation.T
        out[:3, 3] = self.centre
        return out

    @property
    def centre(self) -> FloatArray:
        """(3,) projection centre in the world, mm."""
        return self.pivot - self.rotation.T @ self.translation

    def to_camera(self, points: FloatArray) -> FloatArray:
        """(n, 3) world -> (n, 3) camera coordinates, mm."""
        return points @ self.rotation.T + self._offset

    def columns(self, points: FloatArray) -> FloatArray:
        """(n, 3) world -> (3, n) camera coordinates, mm: numpy is far faster along these."""
        return self.rotation @ points.T + self._offset[:, None]

    def project_columns(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(n, 3) world -> pixels (2, n) and depths (n,) in mm."""
        local = self.columns(points)
        return local[:2] * (self.focal / local[2]) + self.principal[:, None], local[2]

    @property
    def _offset(self) -> FloatArray:
        """(3,) camera coordinates of the world's origin, mm."""
        return self.translation - self.rotation @ self.pivot

    def project(self, points: FloatArray) -> FloatArray:
        """(n, 3) world points in mm -> (n, 2) pixels."""
        local = self.to_camera(points)
        return local[:, :2] * (self.focal / local[:, 2:]) + self.principal

    def jacobians(self, points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Pixels and their derivatives.

        Returns:
            pixels (n, 2); derivative to the world point (n, 2, 3); derivative to the
            camera step of :meth:`moved` (n, 2, 9).
        """
        turned = (points - self.pivot) @ self.rotation.T
        local = turned + self.translation
        inverse = self.focal / local[:, 2]
        plane = local[:, :2] / local[:, 2:]
        to_local = np.zeros((len(points), 2, 3))
        to_local[:, 0, 0] = to_local[:, 1, 1] = inverse
        to_local[:, :, 2] = -plane * inverse[:, None]
        step = np.zeros((len(points), 2, CAMERA_SIZE))
        step[:, :, :3] = np.cross(turned[:, None, :], to_local)  # row . (w x p) = w . (p x row)
        step[:, :, 3:6] = to_local
        step[:, :, 6] = self.focal * plane
        step[:, 0, 7] = step[:, 1, 8] = 1.0
        return self.focal * plane + self.principal, to_local @ self.rotation, step

    def pull(self, points: FloatArray, along: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives of ``along . project(points)`` for directions (n, 2) in the image.

        Returns:
            derivative to the world point (n, 3); to the camera step of :meth:`moved` (n, 9).
        """
        out = step_slopes(self.to_camera(points), along, self.focal, self.translation)
        return out[:, 3:6] @ self.rotation, out

    def moved(self, step: FloatArray) -> Camera:
        """The camera after a step of ``CAMERA_SIZE`` numbers."""
        return replace(
            self,
            rotation=rotation_matrix(step[:3]) @ self.rotation,
            translation=self.translation + step[3:6],
            focal=float(self.focal * np.exp(step[6])),
            principal=self.principal + step[7:9],
        )

    def mirrored(self) -> Camera:
        """The camera that takes the mirror image, left and right exchanged, of the mirrored world."""
        principal = np.array([self.width - 1 - self.principal[0], self.principal[1]])
        return replace(
            self,
            rotation=_FLIP[:, None] * self.rotation * _FLIP,
            translation=_FLIP * self.translation,
            pivot=_FLIP * self.pivot,
            principal=principal,
        )

    def resized(self, width: int, height: int) -> Camera:
        """The same camera for the picture resampled to another size."""
        factor = np.array([width / self.width, height / self.height])
        return replace(
            self,
            width=width,
            height=height,
            focal=float(self.focal * factor[0]),
            principal=(self.principal + 0.5) * factor - 0.5,
        )


def step_slopes(
    local: FloatArray, along: FloatArray, focal: float | FloatArray, translation: FloatArray
) -> FloatArray:
    """Derivatives of ``along . pixel`` to the camera step of :meth:`Camera.moved`, perhaps of many cameras.

    Args:
        local: (..., 3) points in the camera, mm.
        along: (..., 2) directions in the image.
        focal: px, of the camera of each point.
        translation: (..., 3) of the camera of each point, mm.

    Returns:
        (..., 9); the part of the translation (3 to 5) is also that of the point in the camera.
    """
    inverse = focal / local[..., 2]
    out = np.empty((*local.shape[:-1], CAMERA_SIZE))
    out[..., 3:5] = along * inverse[..., None]
    out[..., 6] = (local[..., :2] * along).sum(axis=-1) * inverse
    out[..., 5] = -out[..., 6] / local[..., 2]
    out[..., :3] = cross(local - translation, out[..., 3:6])
    out[..., 7:] = along
    return out
