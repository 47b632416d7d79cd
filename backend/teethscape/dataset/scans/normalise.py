"""Jaws as the render scripts want them: both in one cube, in the scripts' axes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from teethscape import __version__
from teethscape.dataset import portable_pickle
from teethscape.dental.fdi import Jaw
from teethscape.dental.files import write_bytes, write_with
from teethscape.mesh.solid import Solid

#: Our world (x left, y posterior, z cranial) to the axes of a mesh file for the scripts
#: (x left, y cranial, z anterior).
WORLD_TO_FILE: NDArray[np.float64] = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
#: Vertex colour of crowns without colours of their own: light enamel, sRGB.
_ENAMEL = (226, 214, 190)
_FILE_TYPE = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])


@dataclass(frozen=True)
class Cube:
    """How the common box of both jaws becomes the unit cube: ``(x - centre) * scale``.

    Attributes:
        centre: (3,) middle of the box, mm, axes of the mesh file.
        scale: 1 / largest extent, 1/mm.
    """

    centre: NDArray[np.float64]
    scale: float


def cube_of(jaws: Mapping[Jaw, Solid]) -> Cube:
    """The cube of all jaws together; vertices in mm, world frame."""
    points = np.concatenate([solid.vertices for solid in jaws.values()]) @ WORLD_TO_FILE.T
    low, high = points.min(axis=0), points.max(axis=0)
    return Cube((low + high) / 2, float(1.0 / (high - low).max()))


def write_normalised(
    folder: Path, jaws: Mapping[Jaw, Solid], colours: Mapping[Jaw, NDArray[np.uint8]] | None = None
) -> dict[Jaw, Path]:
    """Write ``norm_upper.ply``, ``norm_lower.ply`` and ``transform.npy``.

    Args:
        folder: named after the patient, for the scripts name a case after it.
        jaws: mm, world frame, both jaws in occlusion.
        colours: (V, 3) sRGB per vertex; enamel without them.
    """
    cube = cube_of(jaws)
    paths = {}
    for jaw, solid in jaws.items():
        vertices = (solid.vertices @ WORLD_TO_FILE.T - cube.centre) * cube.scale
        rgb = (colours or {}).get(jaw, enamel(len(vertices)))
        paths[jaw] = folder / f"norm_{jaw}.ply"
        write_with(
            paths[jaw], lambda stream, v=vertices, f=solid.faces, c=rgb: _write_coloured(stream, v, f, c)
        )
    write_bytes(folder / "transform.npy", transform_file({"center": cube.centre, "scale": cube.scale}))
    return paths


def enamel(count: int) -> NDArray[np.uint8]:
    """(count, 3) of the colour of crowns without colours of their own."""
    return np.tile(np.array(_ENAMEL, np.uint8), (count, 1))


def transform_file(values: dict[str, Any]) -> bytes:
    """A ``.npy`` of a dictionary, readable by every numpy with ``allow_pickle``."""
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(stream, header)
    # numpy's own pickle of the array would name a module that numpy 1 and 2 call differently.
    return stream.getvalue() + portable_pickle.dumps(_ObjectArray(values))


class _ObjectArray:
    """Becomes ``numpy.array(values, object)`` in a pickle."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __reduce__(self) -> tuple[Any, ...]:
        return np.array, (self._values, "O")


def _write_coloured(stream: BinaryIO, vertices: NDArray, faces: NDArray, rgb: NDArray) -> None:
    """A binary PLY with vertex colours, which Blender calls ``Col``."""
    table = np.empty(len(vertices), _FILE_TYPE)
    table["xyz"], table["rgb"] = vertices, rgb
    corners = np.empty(len(faces), np.dtype([("count", "u1"), ("corners", "<i4", 3)]))
    corners["count"], corners["corners"] = 3, faces
    lines = ["ply", "format binary_little_endian 1.0", f"comment generator Teethscape {__version__}"]
    lines += [
        "comment unit 1 = largest extent of both jaws",
        "comment frame +X left, +Y cranial, +Z anterior",
    ]
    lines += [f"element vertex {len(table)}", *(f"property float {axis}" for axis in "xyz")]
    lines += [f"property uchar {name}" for name in ("red", "green", "blue")]
    lines += [f"element face {len(corners)}", "property list uchar int vertex_indices", "end_header"]
    stream.write("\n".join(lines).encode("ascii") + b"\n" + table.tobytes() + corners.tobytes())
