"""A PNG writer that puts down the very values it is given: no colour management, no time stamps."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA, _DEPTH = 6, 8
#: Filter that stores each byte as the difference to the pixel above (PNG specification, section 9).
_UP = 2
_LEVEL = 4


def png_bytes(rgba: NDArray[np.uint8]) -> bytes:
    """An (h, w, 4) 8-bit picture with straight alpha as the bytes of a PNG file."""
    height, width = rgba.shape[:2]
    rows = rgba.reshape(height, width * 4)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.empty((height, width * 4 + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[:, 1:] = rows - above  # modulo 256, as the filter wants
    header = struct.pack(">IIBBBBB", width, height, _DEPTH, _RGBA, 0, 0, 0)
    data = zlib.compress(filtered.tobytes(), _LEVEL)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bare_png(data: bytes) -> bytes:
    """A PNG file without its remarks (date, render time, ...), so that equal pictures are equal files.

    Needed chunks begin with a capital letter (PNG specification, section 5.4).
    """
    kept, place = [_SIGNATURE], len(_SIGNATURE)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        if data[place + 4 : place + 5].isupper():
            kept.append(data[place:end])
        place = end
    return b"".join(kept)
