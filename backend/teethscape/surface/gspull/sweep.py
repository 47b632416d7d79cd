"""A cloud where several views show the same normal: inward from a start that is too large.

The hull fills every hollow that no outline shows, and neither colours nor masks move Gaussians out of it. But
a place in front of the true surface has another normal in each view that looks through it, and on the surface
they all agree; so each point goes inward to where they agree best, and is dropped where they never do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.surface.gspull.seen import Distance, clear_views, seen_normals
from teethscape.surface.mesh.marching import Array
from teethscape.surface.views import Views

#: Footprints of a pixel from one depth to the next, and depths: 13 footprints, a molar's deepest hollow.
_STEP, _DEPTHS = 0.45, 30
#: Views that must see a point, and how far they may be apart (0.005: about 6 degrees from their mean).
_VIEWS, _SPREAD = 3, 0.005
#: Neighbours that a point is compared with, rounds of that, the slope of a chord against both normals that is
#: too steep (and an allowance, footprints), the least cosine of two normals, the share that may differ.
_NEAR, _ROUNDS, _STEEP, _ALLOWED, _ALIKE, _DIFFER = 10, 3, 0.35, 0.15, 0.5, 0.5


def swept(views: Views, cloud: tuple[Array, Array], distance: Distance, pixel: float) -> Array | None:
    """Points (m, 3) on the surface that normals agree on; None without normals.

    Args:
        views: with normals or without.
        cloud: (n, 3) points of the start's surface and its unit normals there.
        distance: of the start.
        pixel: footprint of a pixel, world units.
    """
    points, outward = cloud
    clear = clear_views(views, points, distance)
    least, depth = np.full(len(points), np.inf), np.zeros(len(points))
    for k in range(_DEPTHS):
        seen = seen_normals(views, points - k * _STEP * pixel * outward, clear)
        if seen is None:
            return None
        better = (seen.count >= _VIEWS) & (seen.spread < least)
        least[better], depth[better] = seen.spread[better], k
    found = points - (depth * _STEP * pixel)[:, None] * outward
    seen = seen_normals(views, found, clear)
    assert seen is not None  # noqa: S101 - they had normals above
    kept = (least < _SPREAD) & (depth < _DEPTHS - 1)
    return _smooth_part(found[kept], seen.normals[kept], pixel)


def _smooth_part(points: Array, normals: Array, pixel: float) -> Array:
    """Those points whose neighbours lie where both normals say."""
    for _ in range(_ROUNDS):
        if len(points) <= _NEAR:
            break
        good = _agrees(points, normals, pixel)
        points, normals = points[good], normals[good]
    return points


def _agrees(points: Array, normals: Array, pixel: float) -> NDArray[np.bool_]:
    near = np.asarray(KDTree(points).query(points, k=_NEAR + 1)[1])[:, 1:]
    chord = points[near] - points[:, None]
    both = (normals[near] + normals[:, None]) / 2
    off = np.abs((chord * both).sum(axis=-1))
    steep = off > _STEEP * np.linalg.norm(chord, axis=-1) + _ALLOWED * pixel
    other = (normals[near] * normals[:, None]).sum(axis=-1) < _ALIKE
    return (steep | other).mean(axis=1) < _DIFFER
