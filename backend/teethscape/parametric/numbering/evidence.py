"""How well many numberings of one view explain its instances: cameras fitted, teeth marginalised.

For one numbering the instances' centroids, sizes and elongations are a linear function
of the teeth's places and sizes about the mean arch, so those unknowns are integrated
out: only the camera is fitted, by generalised least squares, for all numberings at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.camera import Camera
from teethscape.parametric.rotation import FloatArray, rotation_matrix

_POSE = 7
_TOO_NEAR_MM = 8.0


@dataclass(frozen=True)
class Cameras:
    """B cameras of one view about one pivot.

    Attributes:
        rotation: (B, 3, 3) world to camera.
        translation: (B, 3) camera coordinates of the pivot, mm.
        log_focal: (B,) logarithm of the focal length in px.
        pivot: (3,) world, mm.
        principal: (2,) px.
    """

    rotation: FloatArray
    translation: FloatArray
    log_focal: FloatArray
    pivot: FloatArray
    principal: FloatArray

    @classmethod
    def of(cls, cameras: list[Camera]) -> Cameras:
        """Single cameras of one view, stacked."""
        pivot = cameras[0].pivot
        moved = [c.translation + c.rotation @ (pivot - c.pivot) for c in cameras]
        return cls(
            np.array([c.rotation for c in cameras]),
            np.array(moved),
            np.log(np.array([c.focal for c in cameras])),
            pivot,
            cameras[0].principal,
        )

    def one(self, index: int, like: Camera) -> Camera:
        """One of the cameras, with the picture of ``like``."""
        return replace(
            like,
            focal=float(np.exp(self.log_focal[index])),
            rotation=self.rotation[index],
            translation=self.translation[index],
            pivot=self.pivot,
            principal=self.principal,
        )

    def only(self, rows: NDArray[np.intp]) -> Cameras:
        """Some of the cameras."""
        return replace(
            self,
            rotation=self.rotation[rows],
            translation=self.translation[rows],
            log_focal=self.log_focal[rows],
        )

    def moved(self, step: FloatArray) -> Cameras:
        """The cameras after steps (B, 7): rotation (rad), translation (mm), log focal length."""
        return replace(
            self,
            rotation=rotation_matrix(step[:, :3]) @ self.rotation,
            translation=self.translation + step[:, 3:6],
            log_focal=self.log_focal + step[:, 6],
        )


@dataclass(frozen=True)
class Expected:
    """What the B numberings expect of the n instances that they number.

    Attributes:
        anchor: (B, n, 3) world points of the visible centroids, mm.
        log_size: (B, n) half the log of the visible area in mm^2 as seen at a right angle to the sight.
        shape: (B, n, 2) elongation along the picture's axes and diagonals.
        noise: (B, n, 3) standard deviations of centroid (mm), log size and elongation.
        place_cov: (B, 3n, 3n) mm^2.
        size_cov: (B, n, n).
    """

    anchor: FloatArray
    log_size: FloatArray
    shape: FloatArray
    noise: FloatArray
    place_cov: FloatArray
    size_cov: FloatArray


@dataclass(frozen=True)
class Measured:
    """The n instances.

    Attributes:
        centre: (n, 2) px.
        log_size: (n,) half the log of the area in px^2.
        shape: (n, 2) elongation.
        sd_factor: (n,) factor on the noise.
    """

    centre: FloatArray
    log_size: FloatArray
    shape: FloatArray
    sd_factor: FloatArray


def elongation(spread: FloatArray) -> FloatArray:
    """(..., 2): how much longer along x than y, and along one diagonal than the other, -1..1."""
    trace = spread[..., 0, 0] + spread[..., 1, 1]
    return (
        np.stack([spread[..., 0, 0] - spread[..., 1, 1], 2 * spread[..., 0, 1]], axis=-1)
        / np.maximum(trace, 1e-9)[..., None]
    )


def _linear(cameras: Cameras, expected: Expected) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Predictions (B, n, 5), their derivatives to camera (7) and place (3), depth (B, n)."""
    turned = np.einsum("bij,bnj->bni", cameras.rotation, expected.anchor - cameras.pivot)
    local = turned + cameras.translation[:, None]
    depth = np.maximum(local[:, :, 2], 5.0)
    focal = np.exp(cameras.log_focal)[:, None]
    plane = local[:, :, :2] / depth[:, :, None]
    batch, n = depth.shape
    value = np.zeros((batch, n, 5))
    value[:, :, :2] = focal[:, :, None] * plane + cameras.principal
    value[:, :, 2] = expected.log_size + cameras.log_focal[:, None] - np.log(depth)
    value[:, :, 3:] = expected.shape
    row = np.zeros((batch, n, 3, 3))
    row[:, :, 0, 0] = row[:, :, 1, 1] = focal / depth
    row[:, :, :2, 2] = -plane * (focal / depth)[:, :, None]
    row[:, :, 2, 2] = -1 / depth
    step = np.zeros((batch, n, 5, _POSE))
    step[:, :, :3, :3] = np.cross(turned[:, :, None, :], row)
    step[:, :, :3, 3:6] = row
    step[:, :, :2, 6] = focal[:, :, None] * plane
    step[:, :, 2, 6] = 1.0
    place = np.zeros((batch, n, 5, 3))
    place[:, :, :3] = np.einsum("bnij,bjk->bnik", row, cameras.rotation)
    return value, step, place, depth


def _covariance(place: FloatArray, sd: FloatArray, expected: Expected) -> FloatArray:
    """(B, 5n, 5n) covariance of all measurements; ``sd`` (B, n, 5) is the noise."""
    batch, n = place.shape[:2]
    spread = place @ expected.place_cov.reshape(batch, n, 3, 3 * n)
    by_tooth = spread.reshape(batch, 5 * n, n, 3).transpose(0, 2, 1, 3) @ place.transpose(0, 1, 3, 2)
    total = by_tooth.transpose(0, 2, 1, 3).reshape(batch, n, 5, n, 5)
    total[:, :, 2, :, 2] += expected.size_cov
    total = total.reshape(batch, 5 * n, 5 * n)
    index = np.arange(5 * n)
    total[:, index, index] += sd.reshape(batch, 5 * n) ** 2
    return total


@dataclass(frozen=True)
class Judged:
    """Fitted cameras and the negative log evidence (B,) of each numbering, in nats."""

    cameras: Cameras
    cost: FloatArray


def judge(
    cameras: Cameras, expected: Expected, measured: Measured, focal: tuple[float, float], rounds: int = 6
) -> Judged:
    """Fit the cameras of B numberings of the same instances and weigh each numbering.

    Args:
        cameras: where the fits start.
        expected: what each numbering predicts.
        measured: the instances, in the same order.
        focal: mean and standard deviation of the log focal length.
        rounds: Gauss-Newton steps.
    """
    cost = np.zeros(len(cameras.log_focal))
    for turn in range(rounds + 1):
        value, step, place, depth = _linear(cameras, expected)
        factor = measured.sd_factor[None, :, None]
        sd = np.empty((*depth.shape, 5))
        px_per_mm = np.exp(cameras.log_focal)[:, None] / depth
        sd[:, :, :2] = (expected.noise[:, :, 0] * px_per_mm)[:, :, None]
        sd[:, :, 2], sd[:, :, 3:] = expected.noise[:, :, 1], expected.noise[:, :, 2:]
        cov = _covariance(place, sd * factor, expected)
        seen = np.concatenate([measured.centre, measured.log_size[:, None], measured.shape], axis=1)
        residual = (seen - value).reshape(len(cost), -1)
        jacobian = step.reshape(len(cost), -1, _POSE)
        solved = np.linalg.solve(cov, np.concatenate([jacobian, residual[:, :, None]], axis=2))
        lean = (cameras.log_focal - focal[0]) / focal[1]
        if turn == rounds:
            chi = np.einsum("bi,bi->b", residual, solved[:, :, -1])
            cost = 0.5 * (chi + np.linalg.slogdet(cov)[1] + lean**2)
            cost[(depth < _TOO_NEAR_MM).any(axis=1)] = np.inf
            break
        normal = np.einsum("bik,bij->bkj", jacobian, solved)
        normal[:, 6, 6] += 1 / focal[1] ** 2
        normal[:, 6, -1] -= lean / focal[1]
        cameras = cameras.moved(_limited(normal, cameras))
    return Judged(cameras, cost)


def _limited(normal: FloatArray, cameras: Cameras) -> FloatArray:
    """Damped steps (B, 7) of the normal equations (B, 7, 8), no larger than is wise."""
    hessian = normal[:, :, :_POSE].copy()
    index = np.arange(_POSE)
    hessian[:, index, index] *= 1.02
    hessian[:, index, index] += 1e-6
    step = np.linalg.solve(hessian, normal[:, :, -1:])[:, :, 0]
    turn = np.linalg.norm(step[:, :3], axis=1, keepdims=True)
    step[:, :3] *= np.minimum(1.0, 0.4 / np.maximum(turn, 1e-9))
    far = cameras.translation[:, 2]
    step[:, 5] = np.clip(step[:, 5], -0.3 * far, 0.5 * far)
    step[:, 6] = np.clip(step[:, 6], -0.3, 0.3)
    return step
