"""What is known before the photos: priors on teeth, bite and cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teethscape.parametric.arch import ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray
from teethscape.parametric.system import NormalEquations

#: Prior of a focal length without EXIF, relative to the longer side of the picture.
FOCAL_MEAN = 1.25
FOCAL_LOG_SD = 0.35
#: Views of one patient are taken with one camera: their focal lengths agree this well.
FOCAL_SHARED_SD = 0.05
#: A focal length from EXIF: crops and breathing of the lens remain.
FOCAL_EXIF_SD = 0.06
#: Principal point, relative to the longer side.
PRINCIPAL_SD = 10 / 720


@dataclass(frozen=True)
class PriorPrecision:
    """Inverse covariances, computed once per fit."""

    pose: FloatArray
    log_size: FloatArray
    bite: FloatArray

    @classmethod
    def of(cls, prior: ToothPrior) -> PriorPrecision:
        """Invert the prior's covariances."""
        inverse = np.linalg.inv
        return cls(inverse(prior.pose_cov), inverse(prior.log_size_cov), inverse(prior.bite_cov))


def add_tooth_priors(system: NormalEquations, precision: PriorPrecision, state: ArchState) -> None:
    """Pose, size, shape and bite pull towards the population."""
    layout = system.layout
    pose = np.hstack([state.translation, state.rotation])
    system.add_quadratic(layout.pose().ravel(), precision.pose, pose.ravel())
    system.add_quadratic(layout.log_size(), precision.log_size, state.log_size)
    shape = layout.shape().ravel()
    system.hessian[shape, shape] += 1.0
    system.gradient[shape] += state.shape.ravel()
    system.add_quadratic(layout.bite(), precision.bite, state.bite)


@dataclass(frozen=True)
class FocalPrior:
    """Expected log focal length (px at working size) per camera and its joint precision."""

    mean: FloatArray
    precision: FloatArray

    @classmethod
    def of(cls, cameras: list[Camera], exif_focal: list[float | None]) -> FocalPrior:
        """Cameras share one unknown focal length; EXIF values replace it where given."""
        count = len(cameras)
        sides = np.array([max(c.width, c.height) for c in cameras], float)
        known = np.array([f is not None for f in exif_focal])
        pairs = zip(exif_focal, sides, strict=True)
        mean = np.log(np.array([f if f is not None else FOCAL_MEAN * s for f, s in pairs]))
        covariance = np.eye(count) * FOCAL_SHARED_SD**2 + FOCAL_LOG_SD**2
        covariance[known] = covariance[:, known] = 0.0
        covariance[known, known] = FOCAL_EXIF_SD**2
        return cls(mean, np.linalg.inv(covariance))


def add_camera_priors(system: NormalEquations, cameras: list[Camera], focal: FocalPrior) -> None:
    """Focal lengths are alike and plausible, principal points near the middle."""
    layout = system.layout
    columns = np.array([layout.camera(k)[6] for k in range(len(cameras))])
    value = np.log(np.array([c.focal for c in cameras])) - focal.mean
    system.add_quadratic(columns, focal.precision, value)
    for slot, camera in enumerate(cameras):
        sd = PRINCIPAL_SD * max(camera.width, camera.height)
        middle = np.array([camera.width - 1, camera.height - 1]) / 2
        system.add_quadratic(layout.camera(slot)[7:9], np.eye(2) / sd**2, camera.principal - middle)
