"""Outlines of instances: how far each reaches, and how far its tooth is expected to reach.

An instance's outline is told by its extent in 24 directions (its support function), the
crown's by the farthest point of its surface.  Which extents count is decided once, so that
rival numberings are weighed by the same measurements.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.cover import Crowns, behind_others
from teethscape.parametric.numbering.hulls import PlacedHulls, hulls_of
from teethscape.parametric.numbering.joint import NumberedView
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.rims import visible_teeth
from teethscape.parametric.rotation import FloatArray

DIRECTIONS = 24
_ANGLES = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
UNIT = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_UNIT_SINGLE = UNIT.astype(np.float32)
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
    boxes = find_objects(labels)
    for k, value in enumerate(ids):
        box = boxes[value - 1]
        mask = (labels[box] == value).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        if count > 2:
            mask = (parts == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
        found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        points = np.concatenate(found)[:, 0].astype(float) + np.array([box[1].start, box[0].start])
        along = points @ UNIT.T
        far = np.argmax(along, axis=0)
        extent[k] = along[far, np.arange(DIRECTIONS)] + 0.5
        x, y = points[far].T
        valid[k] = (x > 2) & (y > 2) & (x < width - 3) & (y < height - 3)
    return Outline(extent, valid)


@dataclass(frozen=True)
class ViewRows:
    """The extents of a view that are believed, one row per instance.

    Attributes:
        instance: (n,) row of the instance in its view.
        used: (n, 24) directions that are believed.
        extent: (n, 24) px, 0 where not believed.
        whiten: (n, 24, 24) inverse of the noise's Cholesky factor, 1/px; 0 where not believed.
        growth_sd: spread of how much too large the view's labels are drawn, px.
    """

    instance: NDArray[np.intp]
    used: NDArray[np.bool_]
    extent: FloatArray
    whiten: FloatArray
    growth_sd: float

    @cached_property
    def count(self) -> NDArray[np.intp]:
        """(n,) believed extents of each instance."""
        return self.used.sum(axis=1)

    def __len__(self) -> int:
        """All believed extents."""
        return int(self.used.sum())

    def sharpened(self, noise: float) -> ViewRows:
        """The same extents with their noise multiplied by a factor."""
        return replace(self, whiten=self.whiten / noise)

    def only(self, instances: frozenset[int]) -> ViewRows:
        """The extents of some instances."""
        kept = np.isin(self.instance, list(instances))
        return ViewRows(
            self.instance[kept], self.used[kept], self.extent[kept], self.whiten[kept], self.growth_sd
        )


def farthest(camera: Camera, points: FloatArray) -> tuple[FloatArray, NDArray[np.intp], FloatArray]:
    """Where crowns (n, P, 3) reach farthest in the picture.

    Returns:
        Pixels of all points (n, P, 2); per direction the number of the farthest (n, 24) and its extent, px.
    """
    pixels, _ = camera.project_columns(points.reshape(-1, 3))
    far = outermost(pixels.reshape(2, *points.shape[:2]))
    placed = pixels.T.reshape(*points.shape[:2], 2)
    extent = (np.take_along_axis(placed, far[:, :, None], axis=1) * UNIT).sum(axis=2)
    return placed, far, extent


def outermost(pixels: FloatArray) -> NDArray[np.intp]:
    """(n, 24) number of the farthest of each crown's points (2, n, P) in every direction.

    In single precision: of two points as far to a thousandth of a pixel either will do.
    """
    flat = pixels.reshape(2, -1).astype(np.float32)
    along = (_UNIT_SINGLE @ flat).reshape(DIRECTIONS, *pixels.shape[1:])
    return np.argmax(along, axis=2).T


def believed(
    view: View,
    numbered: NumberedView,
    outline: Outline,
    teeth: tuple[Layout, PlacedHulls],
    covered: bool = True,
) -> ViewRows:
    """The extents of a view that say something about its teeth.

    Args:
        view: which view.
        numbered: its instances with a rough numbering and camera.
        outline: their extents.
        teeth: layout and hulls that go with the numbering.
        covered: leave out extents that another tooth or something else covers.
    """
    layout, placed = teeth
    camera = numbered.camera
    px_per_mm = camera.focal / max(float(camera.translation[2]), 1.0)
    instance = numbered.used
    tooth = numbered.tooth[instance]
    pixels, far, expected = farthest(camera, placed.points[tooth])
    used = outline.valid[instance].copy()
    if covered:
        used &= expected - outline.extent[instance] < _COVERED_MM * px_per_mm
        row, way = np.nonzero(used)
        at = pixels[row, far[row, way]] - _INSIDE_PX * UNIT[way]
        used[row, way] = ~_hidden(_shown(view, layout, placed), camera, at, tooth[row])
    height = np.take_along_axis(hulls_of(layout.prior).height[tooth], far, axis=1)
    enough = used.sum(axis=1) >= _FEWEST
    instance, used = instance[enough], used[enough]
    whiten = _whitening(used, height[enough]) / px_per_mm
    extent = np.where(used, outline.extent[instance], 0.0)
    return ViewRows(instance, used, extent, whiten, GROWTH_SD_MM * px_per_mm)


def _shown(view: View, layout: Layout, placed: PlacedHulls) -> Crowns:
    """The convex crowns that a view shows."""
    teeth = visible_teeth(layout.prior, np.flatnonzero(layout.present), view)
    return Crowns(teeth, placed.points, hulls_of(layout.prior).faces)


def _hidden(crowns: Crowns, camera: Camera, pixels: FloatArray, tooth: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(n,) true where another tooth than its own is seen at the pixel of a point (n, 2)."""
    place = np.clip(np.rint(pixels), 0, [camera.width - 1, camera.height - 1])
    return behind_others(crowns, camera, place, tooth)


def _whitening(used: NDArray[np.bool_], height: FloatArray) -> FloatArray:
    """(n, 24, 24) inverse Cholesky factors of the noise of the believed extents, 1/mm; 0 for others."""
    smooth_part = np.exp((np.cos(_ANGLES[:, None] - _ANGLES[None]) - 1) / _SMOOTH_REACH)
    low = np.clip((_GUM_SHARE - height) / _GUM_SHARE, 0.0, 1.0)
    both = used[:, :, None] & used[:, None]
    cov = np.where(both, _COMMON_SD**2 + _SMOOTH_SD**2 * smooth_part, 0.0)
    index = np.arange(DIRECTIONS)
    cov[:, index, index] += np.where(used, _OWN_SD**2 + (_GUM_SD_MM * low) ** 2, 1.0)
    return np.where(both, np.linalg.inv(np.linalg.cholesky(cov)), 0.0)
