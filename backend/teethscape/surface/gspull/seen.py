"""What the views show of a cloud's points: which of them see a point, and the normal that they agree on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.surface.hull import looked_up
from teethscape.surface.mesh.marching import Array
from teethscape.surface.views import Views

#: (n, 3) points to (n,) distance from a surface that is nearly right; both in world units.
Distance = Callable[[Array], NDArray[np.floating]]
#: A normal that is shorter is a blend across an edge.
_WHOLE = 0.8
#: Cosine below which a view only grazes the surface. Every point of a hull lies on the edge of some mask.
_FACING = 0.2
#: Steps along a line of sight, the first and the least, and how deep inside one is surely hidden; footprints
#: of a pixel. The first leaves the surface that the point itself lies on.
_STEPS, _FIRST, _LEAST, _DEEP = 32, 2.0, 0.5, 0.2


@dataclass(frozen=True, eq=False)
class Seen:
    """What views agree on at n points.

    Attributes:
        normals: (n, 3) unit, mean of the views that see a point; zero where none does.
        spread: (n,) 0 where all of them show the same normal, 1 where they cancel; infinite where none does.
        count: (n,) how many they are.
    """

    normals: Array
    spread: Array
    count: NDArray[np.int64]


def clear_views(views: Views, points: Array, distance: Distance) -> NDArray[np.bool_]:
    """(v, n) whether nothing stands between (n, 3) world points and each view."""
    clear = np.ones((len(views), len(points)), bool)
    for view in range(len(views)):
        away = views.centres[view] - points
        reach = np.linalg.norm(away, axis=1)
        pixel = float(np.median(reach) / views.intrinsics[view, 0, 0])
        along = np.full(len(points), _FIRST * pixel)
        for _ in range(_STEPS):
            found = distance(points + away * (along / reach)[:, None])
            clear[view] &= found > -_DEEP * pixel
            along = np.minimum(along + np.maximum(found, _LEAST * pixel), reach)
    return clear


def seen_normals(views: Views, points: Array, clear: NDArray[np.bool_]) -> Seen | None:
    """The normals that views show at (n, 3) world points, each weighed by how it faces; None without normals.

    Args:
        views: with normals or without.
        points: (n, 3).
        clear: (v, n) which views see which points.
    """
    if views.normals is None:
        return None
    total, weights = np.zeros(points.shape), np.zeros(len(points))
    count = np.zeros(len(points), np.int64)
    for view in range(len(views)):
        pixels, _ = views.project(view, points)
        shown = [looked_up(np.ascontiguousarray(views.normals[view, ..., k]), pixels) for k in range(3)]
        normal = np.stack(shown, axis=1).astype(np.float64)
        length = np.linalg.norm(normal, axis=1)
        away = views.centres[view] - points
        cos = (normal * away).sum(axis=1) / np.linalg.norm(away, axis=1) / np.maximum(length, 1e-6)
        weight = np.where(clear[view] & (length > _WHOLE), np.maximum(cos - _FACING, 0.0), 0.0)
        total += normal * (weight / np.maximum(length, 1e-6))[:, None]
        weights += weight
        count += weight > 0
    length = np.linalg.norm(total, axis=1)
    spread = np.where(count > 0, 1 - length / np.maximum(weights, 1e-9), np.inf)
    return Seen(total / np.maximum(length, 1e-9)[:, None], spread, count)
