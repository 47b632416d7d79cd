"""What a camera sees of each tooth, and what is measured of its instance: place, size, elongation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.crowns import Placed, Seen, see
from teethscape.parametric.numbering.evidence import Expected, Measured, elongation
from teethscape.parametric.numbering.measure import Instances
from teethscape.parametric.rotation import FloatArray

#: Half width of a crown in units of the root of its second moment.
HALF_EXTENT = 1.85
#: Noise of a visible centroid (mm), of log size and of elongation, beside what the prior explains.
_CENTRE_SD_MM, _SIZE_SD, _SHAPE_SD = 0.55, 0.09, 0.10
#: The same for a tooth that is all but hidden; and of an outline, which makes narrow views uncertain.
_HIDDEN_SD_MM, _HIDDEN_SIZE_SD, _HIDDEN_SHAPE_SD, _EDGE_SD_MM = 2.0, 0.4, 0.35, 0.3
_CUT_FACTOR = 5.0  # how much less an instance says that the picture's border cuts


@dataclass(frozen=True)
class SeenTeeth:
    """What a camera sees of each tooth.

    Attributes:
        anchor: (28, 3) world point of the visible centroid, mm.
        log_size: (28,) half the log of the visible area in mm^2.
        shape: (28, 2) elongation.
        noise: (28, 3) standard deviations of centroid (mm), log size and elongation.
    """

    anchor: FloatArray
    log_size: FloatArray
    shape: FloatArray
    noise: FloatArray

    def among(self, count: int, rows: NDArray[np.intp]) -> SeenTeeth:
        """The same as the ``rows`` of ``count`` teeth; nothing is known of the others."""
        parts = []
        for own in (self.anchor, self.log_size, self.shape, self.noise):
            parts.append(np.zeros((count, *own.shape[1:])))
            parts[-1][rows] = own
        return SeenTeeth(*parts)


def view_of(placed: Placed, camera: Camera, drawn: NDArray[np.bool_]) -> SeenTeeth:
    """What a camera sees of each tooth."""
    seen = see(placed, camera, drawn)
    depth = camera.to_camera(seen.anchor)[:, 2]
    with np.errstate(divide="ignore"):
        log_size = (
            0.5 * np.log(np.maximum(seen.area, 1.0)) - np.log(camera.focal) + np.log(np.maximum(depth, 1.0))
        )
    px_per_mm = camera.focal / np.maximum(depth, 1.0)
    return SeenTeeth(seen.anchor, log_size, elongation(seen.spread), _noise(seen, px_per_mm))


def _noise(seen: Seen, px_per_mm: FloatArray) -> FloatArray:
    """(28, 3) noise: more where other teeth hide a part or little is seen from the side."""
    hidden = 1.0 - seen.share
    narrow = 2 * HALF_EXTENT * np.sqrt(np.maximum(np.linalg.eigvalsh(seen.spread)[:, 0], 0.0)) / px_per_mm
    edge = _EDGE_SD_MM / np.maximum(narrow, 0.5)
    centre = np.hypot(_CENTRE_SD_MM, _HIDDEN_SD_MM * hidden)
    size = np.sqrt(_SIZE_SD**2 + (_HIDDEN_SIZE_SD * hidden) ** 2 + edge**2)
    shape = np.sqrt(_SHAPE_SD**2 + (_HIDDEN_SHAPE_SD * hidden) ** 2 + edge**2)
    return np.stack([centre, size, shape], axis=1)


def measured_of(found: Instances) -> Measured:
    """Measurements of instances; those that the picture's border cuts say little."""
    factor = np.where(found.whole, 1.0, _CUT_FACTOR)
    return Measured(found.centre, 0.5 * np.log(found.area), elongation(found.spread), factor)


def stack_expected(
    parts: list[tuple[tuple[FloatArray, FloatArray], NDArray[np.intp], SeenTeeth]],
) -> Expected:
    """Expectations of several numberings of the same instances.

    Args:
        parts: per numbering, covariances of the places (84, 84) and log sizes (28, 28),
            the teeth (n,), and what is seen of every tooth.
    """
    anchor = np.array([v.anchor[t] for _, t, v in parts])
    size = np.array([v.log_size[t] for _, t, v in parts])
    shape = np.array([v.shape[t] for _, t, v in parts])
    noise = np.array([v.noise[t] for _, t, v in parts])
    place_cov = np.array([_sub(cov[0], t) for cov, t, _ in parts])
    size_cov = np.array([cov[1][np.ix_(t, t)] for cov, t, _ in parts])
    return Expected(anchor, size, shape, noise, place_cov, size_cov)


def _sub(cov: FloatArray, teeth: NDArray[np.intp]) -> FloatArray:
    rows = (3 * teeth[:, None] + np.arange(3)).ravel()
    return cov[np.ix_(rows, rows)]
