"""Read the PLY files of a case folder with numpy alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..backend.teethscape.errors import BadInputError

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip


@dataclass(frozen=True)
class PlyMesh:
    """A triangle mesh as it lies in the file.

    Attributes:
        vertices: (V, 3) float32, world frame, mm.
        faces: (F, 3) int32 vertex indices, outward.
        attributes: further per-vertex properties by name, each (V,).
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    attributes: dict[str, NDArray] = field(default_factory=dict)


@dataclass
class _Header:
    size: int = 0
    vertex_count: int = 0
    face_count: int = 0
    vertex_fields: list[tuple[str, str]] = field(default_factory=list)
    face_list: tuple[str, str] | None = None
    face_fields: int = 0


def read_ply(path: Path) -> PlyMesh:
    """Read a binary little-endian triangle PLY.

    Args:
        path: the file.

    Raises:
        BadInputError: the file is missing, truncated or of another kind.
    """
    try:
        data = path.read_bytes()
        header = _read_header(data)
        return _read_body(data, header)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise BadInputError(
            "mesh_damaged",
            f"{path.name} cannot be read as a mesh: {error}.",
            "Reconstruct the case again; the file is damaged or of another program.",
        ) from error


def _read_header(data: bytes) -> _Header:
    end = data.index(b"end_header\n") + len(b"end_header\n")
    lines = data[:end].decode("ascii", "replace").splitlines()
    if lines[0] != "ply" or "format binary_little_endian 1.0" not in lines:
        raise ValueError("not a binary little-endian PLY")
    header = _Header(size=end)
    element = ""
    for words in (line.split() for line in lines):
        if words[0] == "element":
            element = words[1]
            setattr(header, f"{element}_count", int(words[2]))
        elif words[0] == "property":
            _read_property(header, element, words[1:])
    return header


def _read_property(header: _Header, element: str, words: list[str]) -> None:
    if element == "vertex":
        header.vertex_fields.append((words[1], "<" + _TYPES[words[0]]))
    elif words[0] == "list":
        header.face_list = ("<" + _TYPES[words[1]], "<" + _TYPES[words[2]])
        header.face_fields += 1
    else:
        header.face_fields += 1


def _read_body(data: bytes, header: _Header) -> PlyMesh:
    if header.face_list is None or header.face_fields != 1:
        raise ValueError("its faces are not a plain list of vertices")
    points = np.frombuffer(data, np.dtype(header.vertex_fields), header.vertex_count, header.size)
    count_type, index_type = header.face_list
    face_type = np.dtype([("count", count_type), ("corners", index_type, (3,))])
    start = header.size + points.nbytes
    faces = np.frombuffer(data, face_type, header.face_count, start)
    if np.any(faces["count"] != 3):
        raise ValueError("it has faces that are not triangles")
    corners = faces["corners"].astype(np.int32)
    if corners.size and (corners.min() < 0 or corners.max() >= len(points)):
        raise ValueError("a face names a vertex that does not exist")
    vertices = np.stack([points[axis] for axis in "xyz"], axis=1).astype(np.float32)
    rest = {name: points[name].copy() for name, _ in header.vertex_fields if name not in "xyz"}
    return PlyMesh(vertices, corners, rest)
