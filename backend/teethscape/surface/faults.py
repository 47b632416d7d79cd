"""Which view does not belong: found before any work by its mask, and afterwards by its normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.surface.hull import coverage, hull_distance
from teethscape.surface.views import Array, Views

#: Nodes along the longest side of the box in which masks are compared.
_NODES = 96
#: Share of a mask that the hull of good views covers at least, and how much a view must spoil to be blamed.
_COVERED, _SPOILT = 0.985, 0.02


@dataclass(frozen=True, eq=False)
class MaskCheck:
    """How well the masks of several views agree.

    Attributes:
        covered: (n,) share of each mask that the hull of all views covers.
        without: (n,) mean share of the others' masks covered when a view is left out.
        culprit: number of the view that spoils the hull, if one does.
    """

    covered: Array
    without: Array
    culprit: int | None


def check_masks(views: Views) -> MaskCheck:
    """Compare the hull of all views with the hulls of all but one.

    A wrong mask carves away what the others show: their masks are then no longer covered, and are
    covered again without it.
    """
    points = _coarse_points(views)
    per_view = np.stack([hull_distance(views.subset([v]), points) for v in range(len(views))])
    slack = float((views.high - views.low).max()) / _NODES / 2
    covered = coverage(views, points, per_view.max(axis=0) < slack)
    without = np.array([_without(views, points, per_view, v, slack) for v in range(len(views))])
    return MaskCheck(covered, without, _culprit(covered, without))


def spoilers(views: Views, points: Array, reach: float) -> tuple[str, ...]:
    """Names of the views without which some place lies inside all masks.

    Args:
        views: their masks have no place in common.
        points: (m, 3) places where one is looked for, world.
        reach: how far outside a mask still counts as inside, world units.
    """
    per_view = np.stack([hull_distance(views.subset([v]), points) for v in range(len(views))])
    freed = [(np.delete(per_view, v, axis=0) < reach).all(axis=0).any() for v in range(len(views))]
    return tuple(name for name, is_freed in zip(views.names, freed, strict=True) if is_freed)


def least_fitting(views: Views) -> tuple[str, float] | None:
    """The view whose mask fits the others least, and the share of it that their hull covers.

    None where the hull of all covers every mask, so that nothing tells one from the others.
    """
    covered = check_masks(views).covered
    worst = int(np.argmin(covered))
    return (views.names[worst], float(covered[worst])) if covered[worst] < _COVERED else None


def _coarse_points(views: Views) -> Array:
    extent = views.high - views.low
    counts = np.maximum(np.ceil(_NODES * extent / extent.max()), 2).astype(int)
    axes = [np.linspace(a, b, n) for a, b, n in zip(views.low, views.high, counts, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _without(views: Views, points: Array, per_view: NDArray, left_out: int, slack: float) -> float:
    others = [v for v in range(len(views)) if v != left_out]
    if not others:
        return 1.0
    inside = per_view[others].max(axis=0) < slack
    return float(coverage(views.subset(others), points, inside).mean())


def _culprit(covered: Array, without: Array) -> int | None:
    """The view without which the others' masks are covered much better than without any other one."""
    best = int(np.argmax(without))
    rest = np.delete(without, best)
    if covered.mean() > _COVERED or len(covered) < 4:
        return None
    return best if without[best] - np.median(rest) > _SPOILT else None


def odd_view(errors: Array) -> int | None:
    """The view whose error (n,) stands out: over three times the others' median, and over 15 degrees.

    A view whose error is NaN has no normals: it neither stands out nor is it one of the others.
    """
    if np.isfinite(errors).sum() < 4:
        return None
    worst = int(np.nanargmax(errors))
    others = float(np.nanmedian(np.delete(errors, worst)))
    return worst if errors[worst] > max(3 * others, 15.0) else None
