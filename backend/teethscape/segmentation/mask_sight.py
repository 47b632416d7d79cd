"""What a photo shows besides the masks that somebody drew: the network tells what they leave out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.masks import at_size
from teethscape.segmentation.redraw import ToothMaps, outline
from teethscape.segmentation.segmenter import Segmentation

IntImage = NDArray[np.int32]

#: Share of a tooth found by the network below which the masks have left it out.
_COVERED = 0.3
#: A border of the network this near to an outline of the masks, as a share of the longer side, is that one.
_SAME = 0.0125
#: Most that a border within a mask may say, 255ths: a fissure looks like one and need not be explained.
_HINT = 120


def mask_sight(labels: IntImage, seen: Segmentation) -> ToothMaps:
    """Maps in which the masks say where teeth end, and the network what the masks lack.

    That is borders within a mask, for it may cover two teeth, and teeth without a mask.

    Args:
        labels: (h, w) instance ids of the masks, 0 none, any size.
        seen: what the network found in the photo.

    Returns:
        Maps of the size of the network's.
    """
    size = seen.maps.size
    drawn = at_size(labels, size)
    teeth, border = drawn > 0, _border(drawn)
    lacking = _left_out(at_size(seen.instances, size), teeth)
    known = cv2.dilate(border.astype(np.uint8), _disc(_SAME * max(size))) > 0
    within = np.where(teeth & ~known, np.minimum(seen.maps.boundary, _HINT), 0)
    boundary = np.where(lacking, seen.maps.boundary, within)
    return ToothMaps(
        tooth=np.where(teeth, 255, np.where(lacking, seen.maps.tooth, 0)).astype(np.uint8),
        boundary=np.where(border, 255, boundary).astype(np.uint8),
        energy=np.where(teeth | lacking, seen.maps.energy, 0).astype(np.uint8),
    )


def _left_out(found: IntImage, teeth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w) pixels without a mask of the found teeth that hardly have one."""
    area = np.bincount(found.ravel())
    covered = np.bincount(found[teeth], minlength=len(area))
    lacking = covered < _COVERED * area
    lacking[0] = False
    return lacking[found] & ~teeth


def _border(labels: IntImage) -> NDArray[np.bool_]:
    """(h, w) pixels on either side of an outline."""
    edge = outline(labels)
    return edge | outline(labels[::-1, ::-1])[::-1, ::-1]


def _disc(radius: float) -> NDArray[np.uint8]:
    side = 2 * round(radius) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
