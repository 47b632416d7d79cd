"""Binary STL; unit, frame and scale stand in the header and in a JSON file beside it."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from teethscape.mesh.solid import FileNote, Solid

_HEADER_BYTES = 80


def write_stl(stream: BinaryIO, solid: Solid, note: FileNote) -> None:
    """Write a binary STL in millimetres."""
    corners = solid.vertices[solid.faces].astype("<f4")
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    table = np.zeros(len(corners), dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")])
    table["normal"] = normals / np.where(length > 0, length, 1)
    table["corners"] = corners
    stream.write(_header(solid, note))
    stream.write(np.uint32(len(table)).astype("<u4").tobytes())
    stream.write(table.tobytes())


def _header(solid: Solid, note: FileNote) -> bytes:
    """At most 80 bytes that must not begin with ``solid`` (that would mean text)."""
    scale = f"{note.scale.source.value} +-{100 * note.scale.relative_sigma:.1f}%"
    text = f"Teethscape {solid.name} unit=mm X=left Y=posterior Z=cranial scale={scale}"
    return text.encode("ascii", "replace")[:_HEADER_BYTES].ljust(_HEADER_BYTES, b" ")
