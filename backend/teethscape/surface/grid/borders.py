"""Equations that draw a surface to the borders of masks, as far as these may be believed.

A pixel far from a border that wanders is surely inside or outside; one beside it says next to nothing. Were
it believed, the surface would follow every dent of a ragged mask, where normals show its true shape.
"""

from __future__ import annotations

import numpy as np

from teethscape.surface.grid.field import GridField, trilinear
from teethscape.surface.grid.looks import Look, back_projected
from teethscape.surface.grid.rows import CORNERS, Rows
from teethscape.surface.grid.stereo import Sight
from teethscape.surface.mesh.marching import Array
from teethscape.surface.tangents import WHOLE_PX

#: How far beyond a border rays are watched, px.
_REACH_PX = 3.0
#: Distance from a border at which a pixel's side is sure: of one that is right to the whole pixel (the
#: centres beside it lie half a pixel off), px, and in standard deviations of its wandering.
_ROUNDING_PX, _SURE = 0.65, 4.0
#: How fast the weight falls toward the border, and the least one: that of a border which is off by a pixel,
#: its neighbours with it, against normals of this usual residual. Against worse ones it weighs more, and so
#: does a border that is off by less.
_STEEP, _LEAST_WEIGHT, _EXACT = 6, 0.003, 0.1
#: Distance from the surface, nodes, at which a ray beside a mask's border weighs 0.7 of what it does on it:
#: what rays demand of a gap that the grid cannot hold must not bend everything around it.
_DEEP = 0.5


def border_rows(sight: Sight, field: GridField, weight: float, robust: float) -> Rows:
    """One equation per ray near the mask's border that meets what it should miss, or the reverse.

    The value is demanded to be zero where the ray comes nearest to the surface.

    Args:
        sight: the view of the present surface.
        field: the present one.
        weight: of borders.
        robust: usual residual of normals, which a border that may be off competes with.
    """
    look = sight.look
    edge, hit = look.edge, np.isfinite(sight.depth)
    row, column = np.nonzero(np.where(edge > 0, hit & (edge < _REACH_PX), ~hit))
    if not len(row):
        return Rows(np.zeros((0, 8), np.int64), np.zeros((0, 8)), np.zeros(0))
    points = _nearest_on_rays(look, field, np.column_stack([column, row]).astype(np.float64))
    base, place = field.cell(points)
    share, _ = trilinear(place)
    away = field.at(points) / field.pitch
    believed = _belief(np.abs(edge[row, column]), look.wander, robust)
    factor = weight * believed / field.pitch / np.sqrt(1 + (away / _DEEP) ** 2)
    return Rows(base[:, None] + CORNERS @ field.steps, share * factor[:, None], np.zeros(len(points)))


def _belief(distance: Array, wander: float, robust: float) -> Array:
    """(n,) weights, at most 1, of pixels (n,) so many pixels from a border that wanders."""
    sure = distance / np.hypot(_SURE * wander, _ROUNDING_PX)
    least = _LEAST_WEIGHT / max(wander, WHOLE_PX) ** 2
    return np.minimum(np.maximum(sure**_STEEP, least) * robust / _EXACT, 1.0)


def _nearest_on_rays(look: Look, field: GridField, pixels: Array) -> Array:
    """(n, 3) the place of the smallest value on each ray inside the grid."""
    corners = np.stack(np.meshgrid(*zip(field.low, field.high, strict=True)), axis=-1).reshape(-1, 3)
    depths = look.camera.to_camera(corners)[:, 2]
    steps = np.arange(max(depths.min(), field.pitch), depths.max(), field.pitch)
    best, at = np.full(len(pixels), np.inf), np.full(len(pixels), steps[0])
    for depth in steps:
        points = back_projected(look.camera, pixels, np.full(len(pixels), depth))
        inside = ((points >= field.low) & (points <= field.high)).all(axis=1)
        value = np.where(inside, field.at(points), np.inf)
        nearer = value < best
        best, at = np.where(nearer, value, best), np.where(nearer, depth, at)
    return back_projected(look.camera, pixels, at)
