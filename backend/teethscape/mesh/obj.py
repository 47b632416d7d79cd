"""Wavefront OBJ with one object per tooth."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from teethscape.mesh.solid import FileNote, Solid


def write_obj(stream: BinaryIO, solids: Sequence[Solid], note: FileNote) -> None:
    """Write meshes as named objects, in millimetres; comments state unit and scale."""
    text = io.StringIO()
    text.writelines(f"# {line}\n" for line in note.lines)
    start = 1  # OBJ counts vertices from one, over the whole file
    for solid in solids:
        text.write(f"o {solid.name}\n")
        if solid.colours is None:
            np.savetxt(text, solid.vertices, fmt="v %.5f %.5f %.5f")
        else:  # no part of the format, but read by MeshLab, Blender and others
            rows = np.hstack([solid.vertices, solid.colours / 255])
            np.savetxt(text, rows, fmt="v %.5f %.5f %.5f %.3f %.3f %.3f")
        np.savetxt(text, solid.faces + start, fmt="f %d %d %d")
        start += len(solid.vertices)
    stream.write(text.getvalue().encode("utf-8"))
