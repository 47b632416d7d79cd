"""Similarity and rigid alignment of point sets (Umeyama 1991; two-way ICP)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Points = NDArray[np.float64]
_STEPS = 100
_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Similarity:
    """x -> scale * rotation @ x + shift.

    Attributes:
        scale: factor.
        rotation: (3, 3), determinant +1.
        shift: (3,).
    """

    scale: float
    rotation: Points
    shift: Points

    @staticmethod
    def identity() -> Similarity:
        """No movement."""
        return Similarity(1.0, np.eye(3), np.zeros(3))

    def points(self, points: Points) -> Points:
        """Move (n, 3) points."""
        return self.scale * points @ self.rotation.T + self.shift

    def back(self, points: Points) -> Points:
        """The inverse of ``points``."""
        return (points - self.shift) @ self.rotation / self.scale


def best_similarity(source: Points, target: Points, with_scale: bool) -> Similarity:
    """Least-squares proper similarity that takes (n, 3) source to target points."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - source_mean, target - target_mean
    left, values, right = np.linalg.svd(b.T @ a / len(a))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left @ np.diag(signs) @ right
    scale = float((values * signs).sum() / (a**2).sum() * len(a)) if with_scale else 1.0
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)


def align(source: Points, target: Points, start: tuple[Points, Points], with_scale: bool) -> Similarity:
    """Two-way iterative closest points from corresponding landmarks.

    Args:
        source: (n, 3) surface points to move.
        target: (m, 3) surface points.
        start: (k, 3) landmarks of the source and of the target, in the same order.
        with_scale: also fit the size.
    """
    move = best_similarity(start[0], start[1], with_scale and len(start[0]) > 2)
    targets, sources, last = KDTree(target), KDTree(source), np.inf
    for _ in range(_STEPS):
        there, nearest = targets.query(move.points(source))
        back, found = sources.query(move.back(target))  # neighbours do not change under a similarity
        error = float((there**2).mean() + move.scale**2 * (back**2).mean())
        if last - error < _TOLERANCE * max(error, 1e-12):
            break
        last = error
        move = best_similarity(
            np.concatenate([source, source[found]]), np.concatenate([target[nearest], target]), with_scale
        )
    return move
