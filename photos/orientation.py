"""The EXIF orientation of a photo, which Blender itself ignores. Pure.

Only JPEG is looked into: it is what cameras and phones write beside HEIC, which
Blender cannot show at all. The engine reads every kind with its own library.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_ORIENTATION_TAG = 0x0112
#: EXIF value to (counter-clockwise quarter turns, then flipped left to right).
_ACTIONS = {
    1: (0, False), 2: (0, True), 3: (2, False), 4: (2, True),
    5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False),
}  # fmt: skip
#: EXIF lies within the first segments of a JPEG, each of at most 64 KiB.
_HEAD_BYTES = 262_144


def exif_orientation(path: Path) -> int:
    """EXIF orientation 1 to 8; 1 where there is none."""
    try:
        with path.open("rb") as file:
            return _from_jpeg(file.read(_HEAD_BYTES))
    except (OSError, struct.error, IndexError):
        return 1


def turn(pixels: NDArray, quarter_turns: int, mirrored: bool) -> NDArray:
    """Turn (h, w, c) pixels counter-clockwise, then flip left to right; row 0 on top."""
    turned = np.rot90(pixels, quarter_turns % 4)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def upright(pixels: NDArray, orientation: int) -> NDArray:
    """Apply an EXIF orientation to (h, w, c) pixels with row 0 on top."""
    quarter_turns, mirrored = _ACTIONS.get(orientation, (0, False))
    return turn(pixels, quarter_turns, mirrored)


def _from_jpeg(data: bytes) -> int:
    if data[:2] != b"\xff\xd8":
        return 1
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1] not in (0xDA, 0xD9):
        marker, size = struct.unpack_from(">BH", data, place + 1)
        if marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
            return _from_tiff(data[place + 10 : place + 2 + size])
        place += 2 + size
    return 1


def _from_tiff(block: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    (start,) = struct.unpack_from(order + "I", block, 4)
    (count,) = struct.unpack_from(order + "H", block, start)
    for k in range(count):
        tag, _, _, value = struct.unpack_from(order + "HHIH", block, start + 2 + 12 * k)
        if tag == _ORIENTATION_TAG:
            return value if value in _ACTIONS else 1
    return 1
