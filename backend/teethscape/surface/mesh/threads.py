"""Parts of a surface that no view bears out: threads and flakes at rims, and what a hull leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from teethscape.surface.grid.field import GridField
from teethscape.surface.grid.looks import Look, back_projected, hits
from teethscape.surface.mesh.marching import Array

#: What is thinner than twice this is a thread or a flake, unless views show it, mm.
_HALF_MM = 0.5
#: Nodes by which an opened body may seem smaller than it is.
_ROUNDING = 0.75
#: Least cosine between the normal that a view shows and that of a surface which the view bears out.
_ALIKE = 0.7
#: A piece of whose surface a smaller share is borne out is nothing of the object's.
_SHARE = 0.1
#: A body of which a smaller share lies deeper than that is a flake; of a lower incisor's crown half does.
_DEEP = 0.2

Nodes = NDArray[np.bool_]


def without_threads(
    field: GridField, looks: Sequence[Look], each: Callable[[float], object] = lambda _: None
) -> GridField:
    """A field, mm, without thin parts and pieces that no view shows with the normals which they have there.

    Pieces are what hangs together otherwise than by thin parts. A flake that hangs on nothing goes even where
    it is shown: from in front it may hide an edge whose normals it has.

    Args:
        field: negative inside.
        looks: the views.
        each: told before each view which share of them is done, 0..1; what it raises ends the work.
    """
    inside = field.values < 0
    core = _distance(inside, field.pitch) > _HALF_MM
    if not core.any():
        return field
    borne_out, kept = _borne_out(field, looks, each)
    beyond = _distance(~core, field.pitch) - _HALF_MM
    thin = inside & (beyond > _ROUNDING * field.pitch) & ~kept
    lost = inside & _lost_pieces(core, inside, borne_out)
    lost |= _coreless(inside & ~thin & ~lost, core)
    values = np.where(thin, beyond, np.where(lost, np.abs(field.values), field.values))
    return replace(field, values=values.astype(np.float32))


def _distance(region: Nodes, pitch: float) -> NDArray[np.float32]:
    """Distance of a region's nodes to its border, half way to the nearest other node; negative elsewhere."""
    found = ndimage.distance_transform_edt(region)
    return (np.asarray(found, np.float32) - np.float32(0.5)) * np.float32(pitch)


def _borne_out(
    field: GridField, looks: Sequence[Look], each: Callable[[float], object]
) -> tuple[Nodes, Nodes]:
    """Nodes beside places of the surface that some view shows as they are; and those, with what is behind."""
    mesh = field.surface()
    places = []
    for number, look in enumerate(looks):
        each(number / len(looks))
        places.append(_shown(field, look, hits(look, *mesh)))
    shown = np.concatenate(places)
    inward = field.slopes(shown)
    surface, behind = (np.zeros(field.values.shape, bool) for _ in range(2))
    _mark(surface, field, shown)
    for depth in np.arange(0.0, 2 * _HALF_MM, field.pitch):
        _mark(behind, field, shown - depth * inward)
    return _grown(surface), _grown(behind)


def _grown(nodes: Nodes) -> Nodes:
    """Nodes and all that touch them."""
    return np.asarray(ndimage.binary_dilation(nodes, np.ones((3, 3, 3), bool)), bool)


def _mark(nodes: Nodes, field: GridField, points: Array) -> None:
    """Set the nodes nearest to (n, 3) points, mm."""
    place = np.round((points - field.low) / field.pitch).astype(np.int64)
    x, y, z = np.clip(place, 0, np.array(nodes.shape) - 1).T
    nodes[x, y, z] = True


def _shown(field: GridField, look: Look, depth: NDArray[np.float32]) -> Array:
    """(n, 3) places where a view meets the surface, and has its normal if it has normals at all, mm."""
    row, column = np.nonzero(np.isfinite(depth) & look.mask)
    pixels = np.column_stack([column, row]).astype(np.float64)
    points = back_projected(look.camera, pixels, depth[row, column].astype(np.float64))
    if not look.known.any():
        return points
    return points[(field.slopes(points) * look.normals[row, column]).sum(axis=1) > _ALIKE]


def _lost_pieces(core: Nodes, inside: Nodes, borne_out: Nodes) -> Nodes:
    """Nodes nearest to a piece of the core of whose surface next to nothing is borne out; never all."""
    pieces = _labelled(core)
    nearest = ndimage.distance_transform_edt(~core, return_distances=False, return_indices=True)
    owner = pieces[tuple(np.asarray(nearest))]
    surface = inside & ~np.asarray(ndimage.binary_erosion(inside), bool)
    count = int(pieces.max())
    sizes = np.bincount(owner[surface], minlength=count + 1)
    shares = np.bincount(owner[surface & borne_out], minlength=count + 1) / np.maximum(sizes, 1)
    lost = shares < _SHARE
    return lost[owner] if not lost[1:].all() else np.zeros_like(inside)


def _coreless(inside: Nodes, core: Nodes) -> Nodes:
    """Nodes of bodies that are thin nearly everywhere."""
    bodies = _labelled(inside)
    sizes = np.bincount(bodies[inside], minlength=2)
    deep = np.bincount(bodies[core & inside], minlength=len(sizes))
    return inside & (deep < _DEEP * sizes)[bodies]


def _labelled(nodes: Nodes) -> NDArray[np.int32]:
    """Numbers from 1 of what hangs together by faces, 0 elsewhere."""
    numbers = np.zeros(nodes.shape, np.int32)
    ndimage.label(nodes, output=numbers)
    return numbers
