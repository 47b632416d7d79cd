"""Query points around a cloud, each with its nearest point. Source: ``gspull-spec.md``, section 4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Array = NDArray[np.float64]
_MULTIPLE, _NEIGHBOURS = 60, 51
_BUDGET, _FEWEST = 1_000_000, 10
_REFERENCE = 20_000
NEAR, FAR = 0.25, 0.75


@dataclass(frozen=True, eq=False)
class Normalised:
    """A cloud in the cube of side one about the origin.

    Attributes:
        points: (n, 3).
        centre: (3,) of the box in the world.
        scale: longest edge of the box, world units.
    """

    points: Array
    centre: Array
    scale: float

    def world(self, points: Array) -> Array:
        """(n, 3) normalised to world."""
        return points * self.scale + self.centre


def normalised(cloud: Array) -> Normalised:
    """The cloud (n, 3) with its box's middle at the origin and its longest edge one."""
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    centre, scale = (low + high) / 2, float((high - low).max())
    return Normalised((cloud - centre) / scale, centre, scale)


def usable(count: int) -> int:
    """How many points of a cloud are used: a multiple of 60."""
    return count // _MULTIPLE * _MULTIPLE


def queries_each(count: int, budget: int = _BUDGET) -> int:
    """Near queries per point of a cloud of ``count`` points; ``budget``: about how many in all."""
    return max(_FEWEST, budget // max(count, 1))


def spreads(points: Array) -> Array:
    """(n,) distance of each point to its 50th neighbour (to the farthest, in smaller clouds)."""
    near = min(_NEIGHBOURS, len(points))
    return KDTree(points).query(points, k=near)[0][:, -1]


@dataclass(frozen=True, eq=False)
class QuerySet:
    """Queries and the cloud that they were drawn around.

    Attributes:
        queries: (q, 3) normalised.
        target: (q,) nearest point of each.
        points: (n, 3) the cloud at this moment.
        normals: (n, 3) its outward unit normals, zero where unknown; None without any.
    """

    queries: NDArray[np.float32]
    target: NDArray[np.int64]
    points: NDArray[np.float32]
    normals: NDArray[np.float32] | None = None


def drawn_queries(
    points: Array, rng: np.random.Generator, budget: int = _BUDGET, far: bool = True
) -> QuerySet:
    """Queries around (n, 3) normalised points: near ones, and with ``far`` a round of farther ones.

    Args:
        points: the cloud.
        rng: source of randomness.
        budget: about how many near queries in all.
        far: add one round at three times the distance.
    """
    sigma = spreads(points)
    widen = max(1.0, float(np.sqrt(len(points) / _REFERENCE)))
    rounds = [NEAR * widen] * queries_each(len(points), budget) + ([FAR * widen] if far else [])
    parts = [points + factor * sigma[:, None] * rng.standard_normal(points.shape) for factor in rounds]
    queries = np.concatenate(parts)
    _, target = KDTree(points).query(queries)
    return QuerySet(queries.astype(np.float32), np.asarray(target, np.int64), points.astype(np.float32))
