"""Crown shapes that the tooth prior cannot express: smooth noise and wear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.prior import ToothShape
from teethscape.parametric.rotation import FloatArray

#: Angular frequency (1/rad) of the noise field: bumps of roughly a third of a crown.
_FREQUENCY = 3.5
_WAVES = 48


@dataclass(frozen=True)
class ShapeNoise:
    """How far crowns stray from the prior's modes.

    Attributes:
        rms: root mean square of the displacement that no mode explains, mm.
        symmetry: share of its variance that left and right twins have in common.
        wear: mean depth that cusps and incisal edges have lost, mm.
    """

    rms: float = 0.15
    symmetry: float = 0.6
    wear: float = 0.2


def smooth_field(directions: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Random smooth function on the unit sphere, zero mean and unit variance.

    Args:
        directions: (V, 3) unit vectors.
        rng: source of randomness.

    Returns:
        (V,) values; a Gaussian process with squared-exponential covariance,
        drawn as a sum of random plane waves.
    """
    waves = rng.normal(0.0, _FREQUENCY, (_WAVES, 3))
    phase = rng.uniform(0.0, 2.0 * np.pi, _WAVES)
    return np.sqrt(2.0 / _WAVES) * np.cos(directions @ waves.T + phase).sum(axis=1)


def outside_modes(displacement: FloatArray, modes: FloatArray) -> FloatArray:
    """The part of a displacement (V, 3) that no combination of modes (K, V, 3) gives."""
    basis = modes.reshape(len(modes), -1).T
    weights = np.linalg.lstsq(basis, displacement.ravel(), rcond=None)[0]
    return displacement - (basis @ weights).reshape(displacement.shape)


def noise_of_twins(
    shape: ToothShape, noise: ShapeNoise, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Displacements (V, 3) in mm of a right tooth and of its left twin, local axes."""
    offset = shape.mean - shape.mean.mean(axis=0)
    directions = offset / np.linalg.norm(offset, axis=1, keepdims=True)
    common, right, left = (smooth_field(directions, rng) for _ in range(3))
    share = np.sqrt(noise.symmetry), np.sqrt(1.0 - noise.symmetry)
    twins = []
    for own in (right, left):
        radial = (share[0] * common + share[1] * own)[:, None] * directions
        rest = outside_modes(radial, shape.modes)
        rms = np.sqrt((rest[~shape.cap] ** 2).sum(axis=1).mean())
        twins.append(rest * (noise.rms / rms))
    return twins[0], twins[1]


def worn(vertices: FloatArray, cap: NDArray[np.bool_], depth: float) -> FloatArray:
    """Crown (V, 3) in local axes whose highest ``depth`` mm are ground away, softly."""
    if depth <= 0.0:
        return vertices
    out = vertices.copy()
    height = vertices[:, 2]
    level = height[~cap].max() - depth
    softness = 0.25 * depth
    out[:, 2] = level - softness * np.logaddexp(0.0, (level - height) / softness)
    # The soft maximum also lowers what lies far below by a vanishing amount only.
    return out
