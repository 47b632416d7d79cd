"""Read crowns from a case or from a folder of one mesh per tooth."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from teethscape.dental.fdi import is_permanent
from teethscape.dental.files import require_file
from teethscape.errors import BadInputError
from teethscape.mesh.solid import Solid

MESH_SUFFIXES = frozenset({".ply", ".stl", ".obj", ".glb", ".off"})
_NUMBER = re.compile(r"(?<!\d)([1-4][1-8])(?!\d)")


def load_teeth(place: Path) -> dict[int, Solid]:
    """Crowns by FDI number; the number is the last one in each file's name.

    Args:
        place: a case folder, or a folder of files such as ``11.ply``.

    Raises:
        BadInputError: no such folder, or no crowns in it.
    """
    folder = next((f for f in (place / "meshes" / "teeth", place / "teeth") if f.is_dir()), place)
    if not folder.is_dir():
        raise BadInputError("folder_missing", f"The folder {place} does not exist.", "Check the path.")
    teeth = {}
    for path in sorted(folder.iterdir()):
        numbers = _NUMBER.findall(path.stem)
        if path.suffix.lower() in MESH_SUFFIXES and numbers and is_permanent(int(numbers[-1])):
            teeth[int(numbers[-1])] = load_mesh(path)
    if not teeth:
        raise BadInputError(
            "no_teeth", f"{folder} holds no mesh with an FDI number in its name.", "Give a case folder."
        )
    return teeth


def load_mesh(path: Path) -> Solid:
    """Any mesh file as one surface with shared vertices.

    Raises:
        BadInputError: it is missing or damaged, or holds no triangles.
    """
    import trimesh

    require_file(path)
    try:
        mesh = trimesh.load(path, force="mesh")
    except (ValueError, OSError, KeyError, IndexError, TypeError, NotImplementedError) as error:
        raise BadInputError(
            "mesh_damaged", f"{path} cannot be read ({error}).", "Export it again."
        ) from error
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)  # pyright: ignore
    if len(faces) == 0:
        raise BadInputError("mesh_damaged", f"{path} holds no triangles.", "Export it again.")
    return Solid(path.stem, vertices, faces.astype(np.int32))
