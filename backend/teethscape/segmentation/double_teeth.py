"""Instances of an occlusal photo that are too long for one tooth, parted across the arch.

Behind the canines a crown is hardly longer along the arch than across it.  Over a hundred synthetic patients,
twelve rendered ones and case-a, the bounds below part (nearly) no single crown, even where neighbours or the
border hide a part of it; two neighbours drawn as one mostly exceed them.  Half a crown is long as well, but
not as broad as the teeth beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from teethscape.dental.fdi import Jaw
from teethscape.segmentation.waist import Parted

#: Least length along the arch of two teeth, in units of their breadth across it; lower molars are longer.
_LONG = {Jaw.UPPER: 1.06, Jaw.LOWER: 1.22}
#: The same for the last instance of a row, whose other half the cheek may hide.
_LONG_LAST = 1.4
#: Least breadth and length, in units of the medians of the instances behind the canines.
_BROAD, _LONGER = 0.7, 1.3
#: The arch runs towards the throat where its direction leaves the picture's width by more than this, radians.
_STEEP = np.deg2rad(55)
#: Where the cut may lie along the instance.
_MIDDLE = (0.3, 0.7)


@dataclass(frozen=True)
class _Extent:
    """One instance in the frame of the arch.

    Attributes:
        value: its id.
        along: (n,) px along the arch of each of its pixels, from the instance's start.
        length: spread along the arch, px (standard deviation of its pixels).
        breadth: the same across it.
        steep: true behind the canines.
        last: true at the end of the row.
    """

    value: int
    along: NDArray[np.floating]
    length: float
    breadth: float
    steep: bool
    last: bool


def parted_by_length(
    labels: NDArray[np.int32],
    jaw: Jaw,
    order: NDArray[np.integer],
    border: NDArray[np.floating] | None = None,
) -> Parted:
    """Part the instances of an occlusal photo that are too long for one tooth.

    Args:
        labels: (h, w) instance ids, 0 = none.
        jaw: whose teeth the photo is of.
        order: (n,) ids from one end of the arch to the other; ids that are left out stay whole.
        border: (h, w) chance that a pixel lies on a tooth's border, which places the cut; without
            it the cut is where the instance is narrowest.
    """
    boxes = find_objects(labels)
    pixels = {int(i): _pixels(labels, int(i), boxes[i - 1]) for i in order}
    extents = _extents(pixels)
    steep = [extent for extent in extents if extent.steep]
    out, origin = labels.copy(), {}
    if len(steep) < 4:
        return Parted(out, origin)
    breadth, length = (float(np.median([getattr(e, name) for e in steep])) for name in ("breadth", "length"))
    for extent in steep:
        broad = extent.breadth > _BROAD * breadth and extent.length > _LONGER * length
        if not broad or extent.length < (_LONG_LAST if extent.last else _LONG[jaw]) * extent.breadth:
            continue
        rows, columns = pixels[extent.value]
        far = extent.along > _cut(extent, None if border is None else border[rows, columns])
        smaller = far if 2 * far.sum() < len(far) else ~far
        new = int(labels.max()) + len(origin) + 1
        out[rows[smaller], columns[smaller]] = new
        origin[new] = extent.value
    return Parted(out, origin)


def _pixels(labels: NDArray[np.int32], value: int, box: tuple[slice, ...]) -> tuple[NDArray[np.intp], ...]:
    """Rows and columns of an instance that lies in a box of the label image."""
    rows, columns = np.nonzero(labels[box] == value)
    return rows + box[0].start, columns + box[1].start


def _extents(pixels: Mapping[int, tuple[NDArray, ...]]) -> list[_Extent]:
    """Every instance along and across the arch, whose direction its neighbours tell."""
    centre = np.array([[columns.mean(), rows.mean()] for rows, columns in pixels.values()])
    out = []
    for k, (value, (rows, columns)) in enumerate(pixels.items()):
        way = centre[min(k + 1, len(centre) - 1)] - centre[max(k - 1, 0)]
        way /= max(float(np.linalg.norm(way)), 1e-9)
        along = columns * way[0] + rows * way[1]
        across = rows * way[0] - columns * way[1]
        steep = abs(np.arctan2(way[1], abs(way[0]))) > _STEEP
        along = along - along.min()
        last = k in (0, len(centre) - 1)
        out.append(_Extent(value, along, float(along.std()), float(across.std()), bool(steep), last))
    return out


def _cut(extent: _Extent, border: NDArray[np.floating] | None) -> float:
    """Where along the instance two teeth meet, px: most border, or fewest pixels, across it."""
    bins = extent.along.astype(int)
    size = int(bins.max()) + 1
    width = np.bincount(bins, minlength=size).astype(float)
    smooth = max(size // 40, 1)
    kernel = np.ones(2 * smooth + 1) / (2 * smooth + 1)
    profile = np.convolve(width, kernel, "same")
    if border is not None:
        seen = np.convolve(np.bincount(bins, border, size), kernel, "same")
        profile = -seen / np.maximum(profile, 1e-9)
    first, last = (int(share * size) for share in _MIDDLE)
    return float(first + np.argmin(profile[first : last + 1]))
