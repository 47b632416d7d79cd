"""How poses, sizes and the bite vary, and how teeth vary together.

The published model gives a covariance per tooth for the pose and a joint one for
the sizes.  How poses go together along the arch, across the midline and between
the jaws is ASSUMED here (no segmented arches are available to us): neighbours
move alike in world axes, partly as mirror images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import TEETH, Jaw, is_left, jaw_of, mirrored, right_twin
from teethscape.parametric.train_prior_source import MIRROR, PublishedModel

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """How one kind of pose parameter goes together; assumptions.

    Attributes:
        shared: share of the variance that neighbours share; the rest is each
            tooth's own.
        length: correlation length along the arch, in teeth.
        symmetric: share of the shared part that is mirror symmetric.
        jaws: correlation of the shared parts of the two jaws.
    """

    shared: float
    length: float = 2.5
    symmetric: float = 0.6
    jaws: float = 0.6


TRANSLATION = Correlation(shared=0.8)
ROTATION = Correlation(shared=0.6, jaws=0.3)
#: Standard deviations of the bite: lateral, antero-posterior, vertical (mm), then rotations (rad).
BITE_DEVIATION = (1.5, 3.0, 1.5, 0.06, 0.06, 0.06)


def pose_covariance(model: PublishedModel, axes: FloatArray) -> FloatArray:
    """Joint covariance of all poses in local axes, (168, 168).

    Args:
        model: the published model; its per-tooth covariances are kept, pooled
            over left and right.
        axes: (28, 3, 3) local axes of each tooth.
    """
    to_world = [_pose_map(a) for a in axes]
    local = [_pooled_local(model, fdi, axes) for fdi in TEETH]
    roots = [_root(w @ c @ w.T) for w, c in zip(to_world, local, strict=True)]
    out = np.zeros((6 * len(TEETH), 6 * len(TEETH)))
    for i, first in enumerate(TEETH):
        for j, second in enumerate(TEETH):
            block = roots[i] @ _coupling(first, second) @ roots[j].T
            out[6 * i : 6 * i + 6, 6 * j : 6 * j + 6] = to_world[i].T @ block @ to_world[j]
    return (out + out.T) / 2


def symmetric_precision(pose_cov: FloatArray, right_axes: FloatArray) -> FloatArray:
    """Precision of moves that are mirror images on both sides, mm^-2.

    Args:
        pose_cov: (168, 168) joint covariance in local axes.
        right_axes: (14, 3, 3) axes of the right teeth.

    Returns:
        (42, 42), of the right teeth's moves in world axes.
    """
    types = sorted({right_twin(fdi) for fdi in TEETH})
    rows = np.concatenate([np.arange(6 * i, 6 * i + 3) for i in range(len(TEETH))])
    spread = np.zeros((len(rows), 3 * len(types)))
    for i, fdi in enumerate(TEETH):
        k = types.index(right_twin(fdi))
        spread[3 * i : 3 * i + 3, 3 * k : 3 * k + 3] = right_axes[k].T
    return spread.T @ np.linalg.solve(pose_cov[np.ix_(rows, rows)], spread)


def log_size_covariance(model: PublishedModel) -> FloatArray:
    """Published size covariance, pooled over left and right, (28, 28)."""
    swap = [TEETH.index(mirrored(fdi)) for fdi in TEETH]
    cov = (model.scale_cov + model.scale_cov.T) / 2
    return (cov + cov[np.ix_(swap, swap)]) / 2


def bite_covariance() -> FloatArray:
    """Assumed spread of the lower jaw's place about the mean bite, (6, 6)."""
    return np.diag(np.square(BITE_DEVIATION))


def _pose_map(axes: FloatArray) -> FloatArray:
    """(6, 6) from local to world: rotation vectors change sign under a mirror."""
    return np.kron(np.diag([1.0, 0]), axes) + np.kron(np.diag([0, 1.0]), np.linalg.det(axes) * axes)


def _pooled_local(model: PublishedModel, fdi: int, axes: FloatArray) -> FloatArray:
    """Mean of both sides' covariances in the right tooth's local axes."""
    right = right_twin(fdi)
    to_local = _pose_map(axes[TEETH.index(right)]).T
    both = model.teeth[right].pose_cov + model.teeth[mirrored(right)].mirrored().pose_cov
    return to_local @ both @ to_local.T / 2


def _root(cov: FloatArray) -> FloatArray:
    """Symmetric square root."""
    values, vectors = np.linalg.eigh(cov)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _coupling(first: int, second: int) -> FloatArray:
    """(6, 6) correlation of two teeth's whitened poses, world axes."""
    opposite = is_left(first) != is_left(second)
    mirror = MIRROR if opposite else np.eye(3)
    turn = -MIRROR if opposite else np.eye(3)
    out = np.zeros((6, 6))
    out[:3, :3] = _kernel(first, second, TRANSLATION, mirror)
    out[3:, 3:] = _kernel(first, second, ROTATION, turn)
    return out


def _kernel(first: int, second: int, kind: Correlation, mirror: FloatArray) -> FloatArray:
    along = np.exp(-((_place(first) - _place(second)) ** 2) / (2 * kind.length**2))
    folded = np.exp(-((abs(_place(first)) - abs(_place(second))) ** 2) / (2 * kind.length**2))
    joint = (1 - kind.symmetric) * along * np.eye(3) + kind.symmetric * folded * mirror
    jaws = 1.0 if jaw_of(first) is jaw_of(second) else kind.jaws
    return kind.shared * jaws * joint + (1 - kind.shared) * (first == second) * np.eye(3)


def _place(fdi: int) -> float:
    """Position along the arch in teeth, 0 at the midline, left positive."""
    return (fdi % 10 - 0.5) * (1 if is_left(fdi) else -1)


def is_lower(fdi: int) -> bool:
    """True for teeth of the lower jaw."""
    return jaw_of(fdi) is Jaw.LOWER
