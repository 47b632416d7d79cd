"""Files of a rendered case: JPEG with EXIF, PNG, PLY, JSON. Standard library, numpy and Blender's JPEG."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import bpy
import numpy as np

_PNG_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
_TEXT = b"Synthetic photograph rendered by Teethscape\0"


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write (h, w) or (h, w, c) uint8 or uint16 as PNG."""
    image = pixels if pixels.ndim == 3 else pixels[..., None]
    height, width, channels = image.shape
    bits = 8 * image.dtype.itemsize
    rows = np.ascontiguousarray(image, image.dtype.newbyteorder(">")).view(np.uint8).reshape(height, -1)
    # Each row differs little from the one above: PNG's filter 2.
    filtered = rows.copy()
    filtered[1:] = rows[1:] - rows[:-1]
    data = np.c_[np.full((height, 1), 2, np.uint8), filtered].tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, _PNG_TYPE[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(data, 6)), (b"IEND", b"")]
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in chunks:
        parts.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    path.write_bytes(b"".join(parts))


def exif_segment(focal_35mm: float | None) -> bytes:
    """A JPEG's APP1 segment that says that the photo is synthetic, and perhaps its focal length."""
    entries = 2 if focal_35mm is not None else 1
    text_at = 8 + 2 + 12 * entries + 4
    text = _TEXT + b"\0" * (len(_TEXT) % 2)
    first = struct.pack("<HHII", 0x010E, 2, len(_TEXT), text_at)
    rest = b""
    if focal_35mm is not None:
        first += struct.pack("<HHII", 0x8769, 4, 1, text_at + len(text))
        rest = struct.pack("<HHHIII", 1, 0xA405, 3, 1, round(focal_35mm), 0)
    tiff = struct.pack("<2sHIH", b"II", 42, 8, entries) + first + struct.pack("<I", 0) + text + rest
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def write_jpeg(path: Path, pixels: np.ndarray, quality: int, focal_35mm: float | None) -> None:
    """Write (h, w, 3) uint8 as JPEG by Blender's encoder."""
    height, width, _ = pixels.shape
    picture = bpy.data.images.new("photo", width, height, alpha=False)
    try:
        values = np.ones((height, width, 4), np.float32)
        values[..., :3] = pixels[::-1].astype(np.float32) / 255.0
        picture.pixels.foreach_set(values.ravel())
        picture.file_format = "JPEG"
        picture.save(filepath=str(path), quality=quality)
    finally:
        bpy.data.images.remove(picture)
    data = path.read_bytes()
    path.write_bytes(data[:2] + exif_segment(focal_35mm) + data[2:])


def write_ply(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Write a mesh in mm as little-endian PLY; quads are cut into triangles."""
    if faces.shape[1] == 4:
        faces = np.vstack([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    header = (
        "ply\nformat binary_little_endian 1.0\ncomment unit mm, +X patient left, +Y posterior, +Z cranial\n"
        f"element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    table = np.empty(len(faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    table["count"], table["corners"] = 3, faces
    path.write_bytes(header.encode("ascii") + np.asarray(vertices, "<f4").tobytes() + table.tobytes())


def write_json(path: Path, record: Any) -> None:
    """Write JSON, indented."""
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
