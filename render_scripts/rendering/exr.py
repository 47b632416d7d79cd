"""A writer of OpenEXR files with four 32-bit float channels, in blocks of 16 rows, losslessly packed.

Layout: "OpenEXR File Layout" and "ZIP compression" of the OpenEXR documentation.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_MAGIC, _VERSION = 20000630, 2
_FLOAT, _ZIP, _INCREASING_Y = 2, 3, 0
_BLOCK_ROWS = 16
#: A file's channels are sorted by name; these are their places in RGBA.
_CHANNELS = (("A", 3), ("B", 2), ("G", 1), ("R", 0))


def exr_bytes(rgba: NDArray[np.float32]) -> bytes:
    """An (h, w, 4) float picture as the bytes of an OpenEXR file."""
    height, width = rgba.shape[:2]
    header = _header(width, height)
    planes = rgba[..., [place for _, place in _CHANNELS]].astype("<f4").transpose(0, 2, 1)
    blocks = [
        _block(first, planes[first : first + _BLOCK_ROWS].tobytes())
        for first in range(0, height, _BLOCK_ROWS)
    ]
    sizes = [len(header) + 8 * len(blocks), *map(len, blocks)]
    offsets = np.cumsum(sizes[:-1]).astype("<u8")
    return b"".join([header, offsets.tobytes(), *blocks])


def _header(width: int, height: int) -> bytes:
    names = b"".join(name.encode() + b"\0" + struct.pack("<iiii", _FLOAT, 0, 1, 1) for name, _ in _CHANNELS)
    window = struct.pack("<iiii", 0, 0, width - 1, height - 1)
    attributes = (
        ("channels", "chlist", names + b"\0"),
        ("compression", "compression", bytes([_ZIP])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", bytes([_INCREASING_Y])),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    )
    packed = b"".join(
        name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in attributes
    )
    return struct.pack("<II", _MAGIC, _VERSION) + packed + b"\0"


def _block(first_row: int, raw: bytes) -> bytes:
    """Bytes split by their parity, stored as differences, deflated; raw where that is no shorter."""
    data = np.frombuffer(raw, np.uint8)
    split = np.concatenate([data[0::2], data[1::2]])
    difference = split.copy()
    difference[1:] = split[1:] - split[:-1] + np.uint8(128)
    packed = zlib.compress(difference.tobytes(), 4)
    body = packed if len(packed) < len(raw) else raw
    return struct.pack("<ii", first_row, len(body)) + body
