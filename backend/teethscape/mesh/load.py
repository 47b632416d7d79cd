"""Read crowns from a case or from a folder of one mesh per tooth."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
        BadInputError: it is missing or damaged, or holds no triangles, one whose corners are nowhere, or
            none with an area.
    """
    import trimesh

    require_file(path)
    try:
        whole = trimesh.load(path, force="mesh", process=False)
        mesh = trimesh.load(path, force="mesh")  # drops what is no number without a word
    except (ValueError, OSError, KeyError, IndexError, TypeError, NotImplementedError) as error:
        raise BadInputError(
            "mesh_damaged", f"{path} cannot be read ({error}).", "Export it again."
        ) from error
    except ImportError as error:  # trimesh knows more formats than it can read by itself
        told = f"{path} is in a format that cannot be read here."
        raise BadInputError("mesh_damaged", told, "Export it as PLY, STL or OBJ.") from error
    _refuse_wrong(path, np.asarray(whole.vertices), np.asarray(whole.faces))  # pyright: ignore
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)  # pyright: ignore
    solid = Solid(path.stem, vertices, faces.astype(np.int32))
    with np.errstate(over="ignore", invalid="ignore"):
        has_area = 0 < solid.areas.sum() < np.inf
    if not has_area:
        raise BadInputError("mesh_damaged", f"{path} holds no triangle with an area.", "Export it again.")
    return solid


def _refuse_wrong(path: Path, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> None:
    """Refuse triangles that are none; vertices that no triangle has do not matter.

    Raises:
        BadInputError: there are such triangles, or none at all.
    """
    wrong = None
    if len(faces) == 0:
        wrong = "no triangles"
    elif faces.min() < 0 or faces.max() >= len(vertices):
        wrong = "triangles with corners that are not there"
    elif not np.isfinite(vertices[faces]).all():
        wrong = "triangles with corners that are no numbers"
    if wrong is not None:
        raise BadInputError("mesh_damaged", f"{path} holds {wrong}.", "Export it again.")
