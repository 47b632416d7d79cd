"""The one thing we keep from EXIF data: the lens's focal length.

Orientation is applied when the picture is decoded; everything else (names,
dates, places) is dropped with the original file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: Diagonal of the 36 x 24 mm frame to which 35-mm equivalents refer.
DIAGONAL_35MM = math.hypot(36.0, 24.0)
#: Focal lengths outside this range (35-mm equivalent, mm) are taken for nonsense.
_PLAUSIBLE = (10.0, 600.0)
#: Relative change of the aspect ratio above which a picture counts as cropped.
_CROP_TOLERANCE = 0.02

EXIF_IFD = 0x8769
_FOCAL_LENGTH = 0x920A
_FOCAL_35MM = 0xA405
_WIDTH = 0xA002
_HEIGHT = 0xA003
_PLANE_X_RESOLUTION = 0xA20E
_PLANE_UNIT = 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


def focal_35mm(tags: Mapping[int, Any], size: tuple[int, int]) -> float | None:
    """35-mm equivalent focal length by the diagonal, or None when unknown.

    Args:
        tags: the EXIF sub-directory (tag number to value).
        size: stored width and height of the picture, pixels, before rotation.
    """
    if _is_cropped(tags, size):
        return None
    focal = _number(tags.get(_FOCAL_35MM)) or _from_sensor(tags)
    if focal is None or not _PLAUSIBLE[0] <= focal <= _PLAUSIBLE[1]:
        return None
    return focal


def focal_in_pixels(focal: float, width: int, height: int) -> float:
    """Focal length in pixels of a picture of the given size (no crop)."""
    return focal * math.hypot(width, height) / DIAGONAL_35MM


def _from_sensor(tags: Mapping[int, Any]) -> float | None:
    focal = _number(tags.get(_FOCAL_LENGTH))
    per_unit = _number(tags.get(_PLANE_X_RESOLUTION))
    unit = _UNIT_MM.get(tags.get(_PLANE_UNIT, 2))
    width, height = _number(tags.get(_WIDTH)), _number(tags.get(_HEIGHT))
    if not (focal and per_unit and unit and width and height):
        return None
    diagonal = math.hypot(width, height) / per_unit * unit
    return focal * DIAGONAL_35MM / diagonal


def _is_cropped(tags: Mapping[int, Any], size: tuple[int, int]) -> bool:
    """True when the recorded and the stored picture differ in shape."""
    width, height = _number(tags.get(_WIDTH)), _number(tags.get(_HEIGHT))
    if not (width and height and min(size) > 0):
        return False
    recorded, stored = max(width, height) / min(width, height), max(size) / min(size)
    return abs(recorded / stored - 1.0) > _CROP_TOLERANCE


def _number(value: Any) -> float | None:
    """A positive finite number, or None for anything else that cameras write."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
