"""Outlines of instances: how far each reaches, and how far its tooth is expected to reach.

An instance's outline is told by its extent in 24 directions (its support function), the
crown's by the farthest point of its surface.  Which extents count is decided once, so that
rival numberings are weighed by the same measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.numbering.crowns import lower_teeth
from teethscape.parametric.numbering.joint import NumberedView
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.prior import ToothPrior, ToothShape
from teethscape.parametric.raster import render_ids
from teethscape.parametric.rims import build_soup, camera_in_view, tooth_map, visible_teeth
from teethscape.parametric.rotation import FloatArray, rotation_matrix

DIRECTIONS = 24
MODES = 14
_ANGLES = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
UNIT = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
#: Noise of an outline in mm: common to an instance, smooth along it, of each direction.
_COMMON_SD, _SMOOTH_SD, _OWN_SD = 0.10, 0.15, 0.15
#: Labels of one view are all drawn too large or too small by this much, mm.
GROWTH_SD_MM = 0.2
_GUM_SD_MM = 0.7  # where the outline is the gum line
_GUM_SHARE = 0.3  # lowest part of a crown in whose reach the gum line lies
_SMOOTH_REACH = 0.35  # how far along the outline noise is smooth, as 1 - cos of the angle
#: A crown that reaches this much farther than its label is covered there: cheek, lip, glove.
_COVERED_MM = 1.2
_INSIDE_PX = 1.5
_FEWEST = 4
_HULL_DIRECTIONS, _HULL_SPREAD = 300, 2.0


@dataclass(frozen=True)
class Outline:
    """Extents of the instances of one view.

    Attributes:
        extent: (n, 24) greatest coordinate along each direction, px.
        valid: (n, 24) false where the picture's border cuts the instance.
    """

    extent: FloatArray
    valid: NDArray[np.bool_]


def outlines(labels: NDArray[np.int32], ids: NDArray[np.int32]) -> Outline:
    """Extents of the instances ``ids`` of a label image (h, w)."""
    height, width = labels.shape
    extent = np.zeros((len(ids), DIRECTIONS))
    valid = np.ones((len(ids), DIRECTIONS), bool)
    for k, value in enumerate(ids):
        mask = (labels == value).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        if count > 2:
            mask = (parts == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
        found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        points = np.concatenate(found)[:, 0].astype(float)
        along = points @ UNIT.T
        far = np.argmax(along, axis=0)
        extent[k] = along[far, np.arange(DIRECTIONS)] + 0.5
        x, y = points[far].T
        valid[k] = (x > 2) & (y > 2) & (x < width - 3) & (y < height - 3)
    return Outline(extent, valid)


@dataclass(frozen=True)
class Hulls:
    """The outermost vertices of every crown without its neck cap, in local axes.

    Attributes:
        points: per tooth, (P, 3) mean crown, mm.
        modes: per tooth, (K, P, 3) shape modes.
        height: per tooth, (P,) place between neck (0) and highest point (1).
    """

    points: tuple[FloatArray, ...]
    modes: tuple[FloatArray, ...]
    height: tuple[FloatArray, ...]


_BUILT: dict[int, tuple[dict[int, ToothShape], Hulls]] = {}


def hulls_of(prior: ToothPrior) -> Hulls:
    """The outermost vertices of a prior's crowns, found once per set of crown models."""
    known = _BUILT.get(id(prior.shapes))
    if known is None or known[0] is not prior.shapes:
        parts = [_hull(prior.shape(fdi)) for fdi in prior.fdi]
        points, modes, height = (tuple(column) for column in zip(*parts, strict=True))
        known = _BUILT[id(prior.shapes)] = (prior.shapes, Hulls(points, modes, height))
    return known[1]


def _hull(shape: ToothShape) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Vertices that are outermost in some direction for some crown of the family."""
    rng = np.random.default_rng(0)
    way = rng.normal(size=(3, _HULL_DIRECTIONS))
    rows = np.flatnonzero(~shape.cap)
    modes = shape.modes[:MODES][:, rows]
    family = [shape.mean[rows] + s * _HULL_SPREAD * mode for mode in modes for s in (-1.0, 0.0, 1.0)]
    keep = np.unique(np.concatenate([np.argmax(points @ way, axis=0) for points in family]))
    low, high = shape.mean[:, 2].min(), shape.mean[:, 2].max()
    height = (shape.mean[rows[keep], 2] - low) / (high - low)
    return shape.mean[rows[keep]], np.ascontiguousarray(modes[:, keep]), height


@dataclass(frozen=True)
class PlacedHulls:
    """Hulls in the world.

    Attributes:
        points: per tooth, (P, 3) mm.
        turned: per tooth, the same in its axes before its place.
        modes: per tooth, (K, P, 3) shape modes.
    """

    points: Mapping[int, FloatArray]
    turned: Mapping[int, FloatArray]
    modes: tuple[FloatArray, ...]


def place_hulls(layout: Layout, state: ArchState, teeth: NDArray[np.intp]) -> PlacedHulls:
    """The hulls of some teeth (indices into ``prior.fdi``) at a state, in occlusion."""
    prior, hulls = layout.prior, hulls_of(layout.prior)
    turn = np.exp(state.log_size)[:, None, None] * rotation_matrix(state.rotation)
    bite, lower = rotation_matrix(state.bite[3:]), lower_teeth(prior)
    points, turned = {}, {}
    for t in map(int, teeth):
        flat = state.shape[t] @ hulls.modes[t].reshape(MODES, -1)
        local = hulls.points[t] + flat.reshape(-1, 3)
        turned[t] = local @ turn[t].T
        placed = (turned[t] + state.translation[t]) @ prior.axes[t].T + prior.centre[t]
        if lower[t]:
            placed = (placed - prior.bite_pivot) @ bite.T + prior.bite_pivot + state.bite[:3]
        points[t] = placed
    return PlacedHulls(points, turned, hulls.modes)


@dataclass(frozen=True)
class Rows:
    """The extents of one instance that are believed.

    Attributes:
        instance: row of the instance in its view.
        direction: (m,) numbers of the directions.
        extent: (m,) px.
        whiten: (m, m) inverse of the noise's Cholesky factor, 1/px.
    """

    instance: int
    direction: NDArray[np.intp]
    extent: FloatArray
    whiten: FloatArray


@dataclass(frozen=True)
class ViewRows:
    """What is believed of one view; ``growth_sd`` in px."""

    rows: tuple[Rows, ...]
    growth_sd: float

    @cached_property
    def extent(self) -> FloatArray:
        """(r,) extents of all instances, px."""
        return np.concatenate([own.extent for own in self.rows]) if self.rows else np.zeros(0)

    def sharpened(self, noise: float) -> ViewRows:
        """The same extents with their noise multiplied by a factor."""
        rows = tuple(replace(own, whiten=own.whiten / noise) for own in self.rows)
        return ViewRows(rows, self.growth_sd)

    def slices(self) -> Iterator[tuple[Rows, slice]]:
        """Each instance with its place among all extents."""
        end = 0
        for own in self.rows:
            start, end = end, end + len(own.direction)
            yield own, slice(start, end)

    def only(self, instances: frozenset[int]) -> ViewRows:
        """The extents of some instances."""
        return ViewRows(tuple(r for r in self.rows if r.instance in instances), self.growth_sd)


def believed(
    view: View,
    numbered: NumberedView,
    outline: Outline,
    teeth: tuple[Layout, ArchState],
    covered: bool = True,
) -> ViewRows:
    """The extents of a view that say something about its teeth.

    Args:
        view: which view.
        numbered: its instances with a rough numbering and camera.
        outline: their extents.
        teeth: layout and state that go with the numbering.
        covered: leave out extents that another tooth or something else covers.
    """
    layout, state = teeth
    placed = place_hulls(layout, state, np.unique(numbered.tooth[numbered.used]))
    height, camera = hulls_of(layout.prior).height, numbered.camera
    px_per_mm = camera.focal / max(float(camera.translation[2]), 1.0)
    shown = _shown(view, numbered, layout, state) if covered else None
    rows = []
    for k in map(int, numbered.used):
        tooth, way = int(numbered.tooth[k]), np.flatnonzero(outline.valid[k])
        pixels = camera.project(placed.points[tooth])
        along = pixels @ UNIT[way].T
        far = np.argmax(along, axis=0)
        if shown is not None:
            free = along.max(axis=0) - outline.extent[k, way] < _COVERED_MM * px_per_mm
            free &= _unhidden(shown, pixels[far] - _INSIDE_PX * UNIT[way], tooth)
            way, far = way[free], far[free]
        if len(way) >= _FEWEST:
            whiten = _whitening(way, height[tooth][far]) / px_per_mm
            rows.append(Rows(k, way, outline.extent[k, way], whiten))
    return ViewRows(tuple(rows), GROWTH_SD_MM * px_per_mm)


def _shown(view: View, numbered: NumberedView, layout: Layout, state: ArchState) -> NDArray[np.int32]:
    """(h, w) tooth that the view shows at each pixel, -1 where none."""
    teeth = visible_teeth(layout.prior, np.flatnonzero(layout.present), view)
    arch = Arch(layout.prior, state)
    buffer = render_ids(build_soup(arch, teeth, view), camera_in_view(arch, view, numbered.camera))
    return tooth_map(layout.prior, teeth, buffer)


def _unhidden(shown: NDArray[np.int32], pixels: FloatArray, tooth: int) -> NDArray[np.bool_]:
    """(n,) true where no other tooth is drawn at these pixels (n, 2)."""
    column, row = np.rint(pixels).astype(int).T
    row = np.clip(row, 0, shown.shape[0] - 1)
    there = shown[row, np.clip(column, 0, shown.shape[1] - 1)]
    return (there < 0) | (there == tooth)


def _whitening(way: NDArray[np.intp], height: FloatArray) -> FloatArray:
    """(m, m) inverse Cholesky factor of the noise of an instance's extents, 1/mm."""
    apart = _ANGLES[way]
    smooth = np.exp((np.cos(apart[:, None] - apart[None]) - 1) / _SMOOTH_REACH)
    cov = _COMMON_SD**2 + _SMOOTH_SD**2 * smooth
    low = np.clip((_GUM_SHARE - height) / _GUM_SHARE, 0.0, 1.0)
    cov[np.diag_indices(len(way))] += _OWN_SD**2 + (_GUM_SD_MM * low) ** 2
    return np.linalg.inv(np.linalg.cholesky(cov))
