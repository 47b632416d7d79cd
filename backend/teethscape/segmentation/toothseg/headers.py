"""Whether pictures and masks can be used, told before a training by their first and last bytes alone.

A training that meets a damaged file in its first epoch has wasted the steps before.  What
headers do not settle is decoded, so that a refusal here is the one that training would give.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
from PIL import Image

from teethscape.dental.masks import DECODE_ERRORS
from teethscape.segmentation.toothseg.classes import Classes
from teethscape.segmentation.toothseg.index import Item
from teethscape.segmentation.toothseg.pictures import (
    Size,
    decode_picture,
    read_picture,
    read_truth,
    require_same_shape,
    same_shape,
)

#: How whole files end; what was cut short ends otherwise.
_ENDS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}
#: Bytes at the end in which that stands; some cameras write a few more.
_TAIL = 64
#: Pillow's modes of colours, which may hold no labels.
_COLOURED = ("RGB", "RGBA", "CMYK", "YCbCr", "LA")
#: EXIF tag of the orientation, whose values from 5 on lie on their side.
_ORIENTATION, _LYING = 0x0112, 5


@dataclass(frozen=True)
class _Header:
    """Height and width as stored, px, whether EXIF says to turn them by a quarter, and whether it is grey."""

    size: Size
    lying: bool
    grey: bool

    @property
    def upright(self) -> Size:
        height, width = self.size
        return (width, height) if self.lying else self.size


def require_pictures(items: Iterable[Item]) -> None:
    """Refuse pictures that cannot be read; masks are not opened.

    Raises:
        BadInputError: a picture is missing, cut short, or none at all.
    """
    for item in items:
        if _header(item.image) is None:
            decode_picture(item.image, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)


def require_pairs(items: Iterable[Item], classes: Classes) -> None:
    """Refuse pictures and masks that cannot be read, or do not belong together by their shapes.

    Raises:
        BadInputError: a file is missing, damaged, or of another shape than its picture.
    """
    for item in items:
        if not _settled(item, classes):
            require_same_shape(item, read_picture(item.image, 1).shape, read_truth(item, classes).shape)


def _settled(item: Item, classes: Classes) -> bool:
    """Whether headers alone say that an item's files are whole and fit."""
    picture = _header(item.image)
    mask = None if item.mask is None else _header(item.mask)
    if picture is None or mask is None or not mask.grey or not same_shape(picture.upright, mask.size):
        return False
    if item.gum is None or "gum" not in classes.planes:
        return True
    gum = _header(item.gum)
    return gum is not None and gum.grey and gum.size == mask.size


def _header(path: Path) -> _Header | None:
    """What a PNG or JPEG says of itself; None of others, and where its end is not the end of a whole one."""
    try:
        with Image.open(path, formats=tuple(_ENDS)) as image:
            # Without EXIF at its beginning Pillow would decode a whole PNG to look for it.
            turn = image.getexif().get(_ORIENTATION, 1) if "exif" in image.info else 1
            lying = isinstance(turn, int) and turn >= _LYING
            header = _Header((image.height, image.width), lying, image.mode not in _COLOURED)
            return header if _ENDS[str(image.format)] in _tail(path) else None
    except (*DECODE_ERRORS, KeyError):
        return None


def _tail(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(-min(_TAIL, path.stat().st_size), 2)
        return stream.read()
