"""Neighbouring crowns of the result do not overlap: what is left is carved away.

The surfaces between two teeth are seen by no photo, so moving them by a tenth of
a millimetre contradicts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from teethscape.parametric.penetration import Surface
from teethscape.parametric.rotation import FloatArray

#: Overlap that may remain between neighbours, mm; half the limit that we promise.
ALLOWED_MM = 0.05
_REACH_MM = 2.5
_ROUNDS = 6


def separate(
    meshes: dict[int, FloatArray], faces: dict[int, np.ndarray], pairs: Iterable[tuple[int, int]]
) -> dict[int, FloatArray]:
    """Push overlapping surfaces of neighbours apart, half each.

    Args:
        meshes: (V, 3) crowns by any key, one frame, mm.
        faces: their triangles, outward.
        pairs: keys of neighbours.

    Returns:
        The crowns, changed only where they overlapped by more than ``ALLOWED_MM``.
    """
    out = dict(meshes)
    for first, second in pairs:
        for _ in range(_ROUNDS):
            surfaces = [Surface.of(out[k], faces[k]) for k in (first, second)]
            moves = [_retreat(surfaces[0], surfaces[1]), _retreat(surfaces[1], surfaces[0])]
            if not any(np.any(m) for m in moves):
                break
            out[first], out[second] = out[first] + moves[0], out[second] + moves[1]
    return out


def _retreat(moving: Surface, fixed: Surface) -> FloatArray:
    """(V, 3) move of the vertices that lie inside the other crown, half the way out."""
    signed, nearest = fixed.signed_distance(moving.vertices, _REACH_MM)
    depth = np.where(np.isfinite(signed), np.maximum(-signed - ALLOWED_MM, 0.0), 0.0)
    inside = depth > 0
    # A vertex deep in the neighbour's far half would be pushed the wrong way.
    facing = (moving.normals * fixed.normals[nearest]).sum(axis=1) < 0.3
    return np.where((inside & facing)[:, None], 0.55 * depth[:, None] * fixed.normals[nearest], 0.0)


def worst_overlap(
    meshes: dict[int, FloatArray], faces: dict[int, np.ndarray], pairs: Iterable[tuple[int, int]]
) -> float:
    """Largest overlap depth between neighbours, mm."""
    worst = 0.0
    for first, second in pairs:
        surface = Surface.of(meshes[second], faces[second])
        signed, _ = surface.signed_distance(meshes[first], _REACH_MM)
        worst = max(worst, float(-signed.min()))
    return worst
