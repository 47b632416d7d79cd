"""Binary glTF 2.0 with one node per tooth.

The numbers are ours: millimetres in the world frame, as in every other file.
glTF's convention is metres with Y up, so the asset's ``extras`` state unit and
frame, and a viewer that takes glTF at its word shows the teeth large and lying.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from teethscape.mesh.solid import FileNote, Solid

_JSON, _BINARY = 0x4E4F534A, 0x004E4942
_FLOAT, _UINT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963


def write_glb(stream: BinaryIO, solids: Sequence[Solid], note: FileNote) -> None:
    """Write meshes as named nodes; ``extras`` of the asset state unit, frame and scale."""
    arrays = [array for solid in solids for array in _arrays(solid)]
    offsets = np.cumsum([0, *(array.nbytes for array in arrays)]).tolist()
    content = _content(solids, note)
    content["buffers"] = [{"byteLength": offsets[-1]}]
    content["bufferViews"] = [
        {"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes, "target": _target(array)}
        for offset, array in zip(offsets, arrays, strict=False)
    ]
    content["accessors"] = [_accessor(index, array) for index, array in enumerate(arrays)]
    text = json.dumps(content, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 4)
    stream.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + offsets[-1]))
    stream.write(struct.pack("<II", len(text), _JSON) + text)
    stream.write(struct.pack("<II", offsets[-1], _BINARY))
    for array in arrays:
        stream.write(array.tobytes())


def _arrays(solid: Solid) -> list[NDArray]:
    """Faces, places and perhaps linear colours."""
    arrays = [solid.faces.astype("<u4").reshape(-1), solid.vertices.astype("<f4")]
    return arrays if solid.colours is None else [*arrays, _linear(solid.colours)]


def _linear(colours: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scene-linear values of sRGB colours, as glTF wants them (IEC 61966-2-1)."""
    values = colours / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return linear.astype("<f4")


def _content(solids: Sequence[Solid], note: FileNote) -> dict[str, Any]:
    count, meshes, first = len(solids), [], 0
    for solid in solids:
        attributes = {"POSITION": first + 1, **({} if solid.colours is None else {"COLOR_0": first + 2})}
        meshes.append({"name": solid.name, "primitives": [{"attributes": attributes, "indices": first}]})
        first += len(attributes) + 1
    nodes = [{"name": solid.name, "mesh": index} for index, solid in enumerate(solids)]
    return {
        "asset": {"version": "2.0", "generator": note.entries["generator"], "extras": note.entries},
        "scene": 0,
        "scenes": [{"nodes": [count]}],
        "nodes": [*nodes, {"name": "Teethscape", "children": list(range(count))}],
        "meshes": meshes,
    }


def _target(array: NDArray) -> int:
    return _VERTICES if array.ndim == 2 else _INDICES


def _accessor(index: int, array: NDArray) -> dict[str, Any]:
    if array.ndim == 1:
        return {"bufferView": index, "componentType": _UINT, "count": len(array), "type": "SCALAR"}
    return {
        "bufferView": index,
        "componentType": _FLOAT,
        "count": len(array),
        "type": "VEC3",
        "min": array.min(axis=0).tolist(),
        "max": array.max(axis=0).tolist(),
    }
