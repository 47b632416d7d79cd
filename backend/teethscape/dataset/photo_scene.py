"""The description of a synthetic five-photo case: everything that a renderer needs, in one file.

An ``npz`` holds the meshes (``NAME|vertices`` (n, 3) mm, ``NAME|faces``, and values per
vertex such as ``NAME|colour``) and one JSON text ``description`` with pieces, materials,
cameras, lights and how the pictures are developed.  It depends on seed and options alone.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View

#: Raised when a renderer of an older kind could no longer read the file.
FORMAT = 1


class Part(IntEnum):
    """What a pixel shows; the values of ``labels/parts``."""

    NOTHING = 0
    TOOTH = 1
    UPPER_GUM = 2
    LOWER_GUM = 3
    TONGUE = 4
    LIPS_AND_CHEEKS = 5
    RETRACTOR = 6
    GLOVE = 7
    MIRROR_RIM = 8
    BRACKET = 9
    WIRE = 10
    BESIDE_MIRROR = 11


@dataclass(frozen=True)
class Piece:
    """A mesh of the scene.

    Attributes:
        name: unique name.
        material: key of the description's materials.
        part: what it is.
        vertices: (n, 3) world mm.
        faces: (m, 3) or (m, 4), outward.
        views: photos in which it stands.
        fdi: the tooth that it belongs to, 0 for none.
        smooth: levels of subdivision that the renderer applies.
        values: further values per vertex: (n,) or (n, 3).
    """

    name: str
    material: str
    part: Part
    vertices: NDArray
    faces: NDArray
    views: Sequence[View]
    fdi: int = 0
    smooth: int = 0
    values: Mapping[str, NDArray] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """What the JSON says of it."""
        return {
            "name": self.name,
            "material": self.material,
            "part": int(self.part),
            "fdi": self.fdi,
            "smooth": self.smooth,
            "views": [int(view) for view in self.views],
            "values": sorted(self.values),
        }


def description_bytes(pieces: Sequence[Piece], record: Mapping[str, Any]) -> bytes:
    """The file's content; the same pieces and record give the same bytes."""
    arrays: dict[str, NDArray] = {}
    for piece in pieces:
        arrays[f"{piece.name}|vertices"] = np.asarray(piece.vertices, np.float32)
        arrays[f"{piece.name}|faces"] = np.asarray(piece.faces, np.int32)
        for key, values in piece.values.items():
            arrays[f"{piece.name}|{key}"] = np.asarray(values, np.float32)
    text = {**record, "format": FORMAT, "pieces": [piece.record() for piece in pieces]}
    arrays["description"] = np.array(json.dumps(text, sort_keys=True))
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def write_description(path: Path, pieces: Sequence[Piece], record: Mapping[str, Any]) -> None:
    """Write a description; an interruption leaves no half file under ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(description_bytes(pieces, record))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
