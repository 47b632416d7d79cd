"""Read the uncompressed OpenEXR scan lines that Blender writes, with the standard library and numpy.

Loading them through ``bpy.data.images`` would work too, but makes Cycles forget the scene that it keeps
between renders, which costs more than the render.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

_MAGIC = 20000630
_TYPES = {1: np.dtype("<f2"), 2: np.dtype("<f4")}


class ExrError(Exception):
    """A file that is no uncompressed EXR of scan lines."""


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A null-terminated string and the place after it."""
    end = data.index(b"\0", at)
    return data[at:end].decode("ascii"), end + 1


def _header(data: bytes) -> tuple[dict[str, bytes], int]:
    """Attributes by name, and where the table of offsets starts."""
    if struct.unpack_from("<I", data)[0] != _MAGIC:
        raise ExrError("no OpenEXR file")
    at, out = 8, {}
    while data[at]:
        name, at = _text(data, at)
        _, at = _text(data, at)
        size = struct.unpack_from("<i", data, at)[0]
        out[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return out, at + 1


def _channels(block: bytes) -> list[tuple[str, np.dtype]]:
    """Names and types of the channels, in file order."""
    at, out = 0, []
    while block[at]:
        name, at = _text(block, at)
        kind = struct.unpack_from("<i", block, at)[0]
        if kind not in _TYPES:
            raise ExrError(f"channel {name} has type {kind}")
        out.append((name, _TYPES[kind]))
        at += 16
    return out


def read_rgb(path: Path) -> np.ndarray:
    """(h, w, 3) float32 of the channels R, G and B, first row at the top.

    Raises:
        ExrError: the file is compressed, tiled or lacks a channel.
    """
    data = path.read_bytes()
    header, at = _header(data)
    if header["compression"] != b"\0":
        raise ExrError(f"{path} is compressed")
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    channels = _channels(header["channels"])
    line = np.dtype([("y", "<i4"), ("size", "<i4"), *((name, kind, (width,)) for name, kind in channels)])
    rows = np.frombuffer(data, line, height, at + 8 * height)
    order = np.argsort(rows["y"])
    names = {name.split(".")[-1]: name for name, _ in channels}
    if not set("RGB") <= set(names):
        raise ExrError(f"{path} lacks colour channels")
    return np.stack([rows[names[c]][order].astype(np.float32) for c in "RGB"], -1)
