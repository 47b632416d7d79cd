"""Left and right pooled into one mean crown and its principal modes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.train_prior_mapping import Matched

FloatArray = NDArray[np.float64]
#: Modes kept per tooth type.
MODES = 20


@dataclass(frozen=True)
class PooledShape:
    """One tooth type after pooling.

    Attributes:
        mean: (V, 3) mm, local, its mean at the origin.
        offset: (3,) mm from the old origin to that mean.
        modes: (K, V, 3) unit directions, sorted by variance.
        deviation: (K,) standard deviation along each, mm over all 3 V numbers.
        kept: share of the pooled variance that the modes keep.
    """

    mean: FloatArray
    offset: FloatArray
    modes: FloatArray
    deviation: FloatArray
    kept: float


def pool(matched: Matched) -> PooledShape:
    """Refit the modes on the population that both published models describe.

    Drawing ever more shapes from both sides' models, half from each, and taking
    the principal components of the pooled sample converges to the moments used
    here; a crown on our topology is linear in the coefficients, so the limit is
    reached without drawing and is the same on every machine.

    Args:
        matched: means and modes of both sides in correspondence.
    """
    mean = (matched.right[0] + matched.left[0]) / 2
    offset = mean.mean(axis=0)
    between = (matched.right[0] - matched.left[0])[None] / 2
    parts = np.concatenate([between, matched.right[1:] / np.sqrt(2), matched.left[1:] / np.sqrt(2)])
    flat = _without_similarity(parts.reshape(len(parts), -1), mean - offset)
    _, deviation, rows = np.linalg.svd(flat, full_matrices=False)
    rows *= _signs(rows)[:, None]
    share = (deviation[:MODES] ** 2).sum() / (deviation**2).sum()
    modes = rows[:MODES].reshape(MODES, -1, 3)
    return PooledShape(mean - offset, offset, modes, deviation[:MODES], float(share))


def _without_similarity(rows: FloatArray, mean: FloatArray) -> FloatArray:
    """Remove shift, turn and growth, which the pose and size parameters hold."""
    moves = [np.broadcast_to(axis, mean.shape) for axis in np.eye(3)]
    moves += [np.cross(axis, mean) for axis in np.eye(3)] + [mean]
    basis = np.linalg.qr(np.stack([m.ravel() for m in moves], axis=1))[0]
    return rows - (rows @ basis) @ basis.T


def _signs(rows: FloatArray) -> FloatArray:
    """Sign that makes the largest number of each row positive."""
    return np.sign(rows[np.arange(len(rows)), np.argmax(np.abs(rows), axis=1)])
