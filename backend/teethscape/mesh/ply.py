"""Binary PLY with properties of our own per vertex (sigma_mm, inferred, fdi)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from teethscape.errors import BadInputError
from teethscape.mesh.solid import FileNote, Solid

_PLY_NAMES = {"f4": "float", "f8": "double", "u1": "uchar", "i1": "char", "i2": "short", "u2": "ushort"}
_PLY_NAMES |= {"i4": "int", "u4": "uint"}
_DTYPES = {name: code for code, name in _PLY_NAMES.items()}
_DTYPES |= {"float32": "f4", "float64": "f8", "uint8": "u1", "int8": "i1", "int16": "i2", "uint16": "u2"}
_DTYPES |= {"int32": "i4", "uint32": "u4"}
_LONGEST_HEADER = 65536


def write_ply(
    stream: BinaryIO, solid: Solid, note: FileNote, properties: Mapping[str, NDArray] | None = None
) -> None:
    """Write a little-endian PLY.

    Args:
        stream: binary output.
        solid: the mesh; its colours become ``red``, ``green`` and ``blue``.
        note: unit, frame and scale, written as comments.
        properties: extra values per vertex, (V,) each; their type is kept.
    """
    columns = {axis: solid.vertices[:, k].astype("<f4") for k, axis in enumerate("xyz")}
    if solid.colours is not None:
        columns |= dict(zip(("red", "green", "blue"), solid.colours.T, strict=True))
    columns |= {name: _column(values) for name, values in (properties or {}).items()}
    table = np.empty(len(solid.vertices), dtype=[(name, c.dtype) for name, c in columns.items()])
    for name, column in columns.items():
        table[name] = column
    faces = np.empty(len(solid.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, solid.faces
    header = ["ply", "format binary_little_endian 1.0"]
    header += [f"comment {line}" for line in note.lines]
    header += [f"element vertex {len(table)}"]
    header += [f"property {_PLY_NAMES[c.dtype.str[1:]]} {name}" for name, c in columns.items()]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    stream.write("\n".join(header).encode("ascii", "replace") + b"\n")
    stream.write(table.tobytes())
    stream.write(faces.tobytes())


def read_ply(path: Path) -> tuple[Solid, dict[str, NDArray]]:
    """Read a PLY of triangles as we write it.

    Returns:
        The mesh (named after the file) and the extra properties per vertex.

    Raises:
        BadInputError: the file is no PLY of this kind, or is cut short.
    """
    data = path.read_bytes()
    try:
        return _parse(path.stem, data)
    except (ValueError, KeyError, IndexError) as error:
        raise BadInputError(
            "mesh_damaged",
            f"{path} is not a PLY mesh that Teethscape wrote ({error}).",
            "Make the case anew.",
        ) from error


def _parse(name: str, data: bytes) -> tuple[Solid, dict[str, NDArray]]:
    head, separator, body = data[:_LONGEST_HEADER].partition(b"end_header\n")
    if not separator or not head.startswith(b"ply\nformat binary_little_endian"):
        raise ValueError("no binary PLY header")
    offset = len(data[:_LONGEST_HEADER]) - len(body)
    columns, vertex_count, face_count = _header(head.decode("ascii", "replace").splitlines())
    vertices = np.frombuffer(data, np.dtype(columns), vertex_count, offset)
    faces_type = np.dtype([("count", "u1"), ("corners", "<i4", 3)])
    faces = np.frombuffer(data, faces_type, face_count, offset + vertices.nbytes)
    if (faces["count"] != 3).any():
        raise ValueError("not all faces are triangles")
    xyz = np.stack([vertices[axis] for axis in "xyz"], axis=1).astype(np.float64)
    extra = {column: vertices[column].copy() for column, _ in columns if column not in "xyz"}
    return Solid(name, xyz, faces["corners"].copy()), extra


def _header(lines: list[str]) -> tuple[list[tuple[str, str]], int, int]:
    """Columns of the vertex table and the counts of vertices and faces."""
    columns: list[tuple[str, str]] = []
    counts: dict[str, int] = {}
    element = ""
    for line in lines:
        words = line.split()
        if words[0] == "element":
            element = words[1]
            counts[element] = int(words[2])
        elif words[0] == "property" and element == "vertex":
            columns.append((words[2], "<" + _DTYPES[words[1]]))
    return columns, counts["vertex"], counts["face"]


def _column(values: NDArray) -> NDArray:
    """Values in a type that PLY knows: flags as bytes, reals as single precision."""
    if values.dtype == bool:
        return values.astype("u1")
    if values.dtype.kind == "f":
        return values.astype("<f4")
    return values.astype(values.dtype.newbyteorder("<"))
