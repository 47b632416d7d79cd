"""Equations that place the surface where the normals of several views agree.

Where the surface lies a little too deep every view shows the normal of another place, each a little beside it
in its own way: what their normals differ by tells how far to go. That needs no mask. It is also free of what
no grid can hold: the slope of a field is rounder than the body at its edges, alike for all views, and taken
for a wrong place it would lay edges deeper and deeper; it does not matter to differences between views.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.surface.grid.field import GridField, trilinear
from teethscape.surface.grid.looks import Look
from teethscape.surface.grid.rows import CORNERS, Rows, facing, slopes_along
from teethscape.surface.mesh.marching import Array

#: Weight of an offset against normals: neighbours err alike, but several views say more than each alone.
_WEIGHT = 1.5
#: Least cosine between a normal and the way to a camera: what is seen more flatly is smeared too far.
_FACING = 0.2
#: How far behind the surface that a view shows a point may lie and is still the one that it shows, nodes.
_HIDDEN = 2.0
#: Difference of normals at which the weight of a view has halved, and how often that is asked.
_APART, _ROUNDS = 0.15, 2
#: Offset at which the last resolution weighs a place by a quarter, in medians of all offsets.
_FAR = 4.0
#: Information, 1 / mm^2, that is as much as none, and the least that a row is made for.
_NONE, _LEAST = 1e-4, 1e-6


@dataclass(frozen=True, eq=False)
class Sight:
    """One view of the present surface.

    Attributes:
        look: the view.
        depth: (h, w) picture of the surface, mm, inf where the rays miss it.
    """

    look: Look
    depth: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Offsets:
    """How far the surface should lie farther out than points of it.

    Attributes:
        inward: (n,) by how much it should lie deeper, mm.
        information: (n views, n) what each view tells of that, 1 / mm^2.
    """

    inward: Array
    information: Array


def stereo_rows(sights: list[Sight], own: int, field: GridField, points: Array, is_near: bool) -> Rows:
    """One equation per point of the present surface: its value, as the differences of normals tell it.

    Every view brings its own points and so meets the same places; each weighs them by its own share.

    Args:
        sights: all views.
        own: number of the view that brings the points.
        field: the present one.
        points: (n, 3) where its rays meet the surface, mm.
        is_near: the surface is nearly right, and what is told to be far off is a mismatch.
    """
    told = offsets(sights, points, _HIDDEN * field.pitch)
    information = told.information[own]
    if is_near:
        information = information / (1 + (told.inward / _usual(told.inward, information)) ** 2) ** 2
    use = information > _LEAST
    root = _WEIGHT * np.sqrt(information[use])
    base, place = field.cell(points[use])
    weight, _ = trilinear(place)
    wanted = np.clip(told.inward[use], -field.pitch, field.pitch)
    return Rows(base[:, None] + CORNERS @ field.steps, weight * root[:, None], wanted * root)


def _usual(inward: Array, information: Array) -> float:
    """Offset beyond which one is doubted, mm; of those that are told at all."""
    told = np.abs(inward[information > 10 * _NONE])
    return max(_FAR * float(np.median(told)), 1e-6) if len(told) else 1.0


def offsets(sights: list[Sight], points: Array, hidden: float) -> Offsets:
    """How far the normals of all views that see points say that these are off.

    Args:
        sights: the views.
        points: (n, 3) of the present surface, mm.
        hidden: how far behind the surface that a view shows a point may lie, mm.
    """
    normals, slopes, weight = (
        np.array(each) for each in zip(*(_shown(sight, points, hidden) for sight in sights), strict=True)
    )
    for _ in range(_ROUNDS):
        _, left = _agreed(normals, slopes, weight)
        weight = weight / (1 + (left / _APART) ** 2)
    return _agreed(normals, slopes, weight)[0]


def _agreed(normals: Array, slopes: Array, weight: Array) -> tuple[Offsets, Array]:
    """The offsets at which normals agree best, and the lengths (n views, n) by which they still differ.

    Args:
        normals: (n views, n, 3) what each view shows at each point.
        slopes: (n views, n, 3) their change per mm that the point lies farther out.
        weight: (n views, n).
    """
    share = weight / np.maximum(weight.sum(axis=0), 1e-9)
    apart, per_mm = (values - (share[..., None] * values).sum(axis=0) for values in (normals, slopes))
    information = weight * (per_mm**2).sum(axis=-1)
    inward = (weight * (per_mm * apart).sum(axis=-1)).sum(axis=0) / (information.sum(axis=0) + _NONE)
    return Offsets(inward, information), np.linalg.norm(apart - inward[:, None] * per_mm, axis=-1)


def _shown(sight: Sight, points: Array, hidden: float) -> tuple[Array, Array, Array]:
    """What a view shows at points (n, 3).

    Returns:
        Normals (n, 3), their change (n, 3) per mm that a point lies farther out, weights (n,): 0 where the
        view does not show it.
    """
    look, camera = sight.look, sight.look.camera
    pixels, depth = camera.project(points), camera.to_camera(points)[:, 2]
    height, width = look.mask.shape
    nearest = np.round(pixels).astype(np.int64)
    column, row = np.clip(nearest, 0, (width - 1, height - 1)).T
    shown = (nearest == np.column_stack([column, row])).all(axis=1) & look.steady[row, column]
    shown &= depth < sight.depth[row, column] + hidden
    normals = _between(look.wide, pixels)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    cosine = facing(camera, points, normals)
    slopes = slopes_along(camera, points, normals, look.wide_slopes[row, column])
    return normals, slopes, np.where(shown & (cosine > _FACING), cosine, 0.0)


def _between(picture: NDArray[np.float32], pixels: NDArray[np.floating]) -> Array:
    """(n, 3) values of a picture (h, w, 3) at (n, 2) pixels (centres at integers), bilinear."""
    wide = 4096  # OpenCV's remap takes pictures of at most 32767 px a side
    padded = np.zeros((max(-(-len(pixels) // wide), 1) * wide, 2), np.float32)
    padded[: len(pixels)] = pixels
    x, y = padded.T.reshape(2, -1, wide)
    found = cv2.remap(picture, np.ascontiguousarray(x), np.ascontiguousarray(y), cv2.INTER_LINEAR)
    return found.reshape(-1, 3)[: len(pixels)].astype(np.float64)
