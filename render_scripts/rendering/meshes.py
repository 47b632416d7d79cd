"""Mesh files into Blender: the coordinates of the file as they are, whatever the format.

Blender's importers turn some formats to its own axes; that turn is undone, so that one
mesh in OBJ, PLY, STL and GLB gives one picture.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from teethscape.dataset.farm.layout import partner_of
from teethscape.dataset.published_views import FILE_TO_WORLD
from teethscape.errors import BadInputError

from .objects import (
    AS_GIVEN,
    SUFFIXES,
    Array,
    DentalObject,
    Normalise,
    Placement,
    box_placement,
    looks_normalised,
    not_normalised,
)
from .options import Options, Shading

Meshes = list[bpy.types.Object]
#: Magic, version, length of the file; length and kind of the first chunk.
_GLB_HEAD = struct.Struct("<4sIII4s")
#: Blender reads glTF's (x, y, z) as (x, -z, y); this goes back.
_GLB_TO_FILE = Matrix(((1, 0, 0, 0), (0, 0, 1, 0), (0, -1, 0, 0), (0, 0, 0, 1)))


def _import_obj(path: str) -> object:
    return bpy.ops.wm.obj_import(filepath=path, forward_axis="Y", up_axis="Z")


def _import_ply(path: str) -> object:
    return bpy.ops.wm.ply_import(filepath=path, forward_axis="Y", up_axis="Z")


def _import_stl(path: str) -> object:
    return bpy.ops.wm.stl_import(filepath=path, forward_axis="Y", up_axis="Z")


def _import_glb(path: str) -> object:
    _check_glb(Path(path))
    return bpy.ops.import_scene.gltf(filepath=path)


def _check_glb(path: Path) -> None:
    """Look at the head of a GLB file: Blender's importer greets a damaged one with a traceback.

    Raises:
        ValueError: what is wrong.
    """
    data = path.read_bytes()
    if len(data) < _GLB_HEAD.size:
        raise ValueError("it is too short")
    magic, version, length, json_length, kind = _GLB_HEAD.unpack_from(data)
    if (magic, version, kind) != (b"glTF", 2, b"JSON") or length > len(data):
        raise ValueError("it is no whole glTF 2 file")
    json.loads(data[_GLB_HEAD.size : _GLB_HEAD.size + json_length])


_IMPORTERS: dict[str, Callable[[str], object]] = dict(
    zip(SUFFIXES, (_import_obj, _import_ply, _import_stl, _import_glb), strict=True)
)


def placed_meshes(item: DentalObject, options: Options) -> tuple[Meshes, Placement]:
    """An object in the world frame, in the unit cube, shaded; and how it was moved.

    Raises:
        BadInputError: the file cannot be read.
        RefusedError: it is not normalised, and may not or cannot be.
    """
    meshes = import_mesh(item.path)
    placement = placement_of(item, meshes, options.normalise)
    place(meshes, placement)
    shade(meshes, options.shading)
    return meshes, placement


def import_mesh(path: Path) -> Meshes:
    """Mesh objects of a file, their vertices in the file's own coordinates.

    Raises:
        BadInputError: no such file, another format, or no faces in it.
    """
    importer = _IMPORTERS.get(path.suffix.lower())
    if importer is None:
        formats = ", ".join(suffix[1:].upper() for suffix in SUFFIXES)
        raise BadInputError("mesh_format", f"{path} is none of {formats}.", "Convert it to one of these.")
    if not path.is_file():
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.")
    before = set(bpy.data.objects)
    try:
        importer(str(path))
    except (RuntimeError, ValueError) as error:
        lines = [line for line in str(error).strip().splitlines() if not line.startswith("Location:")]
        raise _damaged(path, f"cannot be read ({lines[-1].removeprefix('Error: ').rstrip('.')})") from error
    bpy.context.view_layer.update()
    new = [item for item in bpy.data.objects if item not in before]
    meshes = [item for item in new if item.type == "MESH" and len(item.data.polygons)]
    if not meshes:
        raise _damaged(path, "holds no triangles")
    undo = _GLB_TO_FILE if path.suffix.lower() == ".glb" else Matrix.Identity(4)
    places = [undo @ item.matrix_world for item in meshes]
    for item, place in zip(meshes, places, strict=True):
        _bake(item, place)
    _remove([item for item in new if item not in meshes])
    return meshes


def _damaged(path: Path, what: str) -> BadInputError:
    return BadInputError("mesh_damaged", f"{path} {what}.", "Export it again.")


def _bake(item: bpy.types.Object, place: Matrix) -> None:
    """Move the vertices instead of the object."""
    item.parent = None
    if item.data.users > 1:
        item.data = item.data.copy()
    item.data.transform(place)
    item.matrix_world = Matrix.Identity(4)


def _remove(items: list[bpy.types.Object]) -> None:
    for item in items:
        bpy.data.objects.remove(item)


def vertices_of(meshes: Meshes) -> Array:
    """(n, 3) vertices of all meshes."""
    parts = []
    for item in meshes:
        flat = np.empty(3 * len(item.data.vertices), np.float32)
        item.data.vertices.foreach_get("co", flat)
        parts.append(flat.reshape(-1, 3))
    return np.concatenate(parts).astype(np.float64)


def placement_of(item: DentalObject, meshes: Meshes, choice: Normalise) -> Placement:
    """Where an object's vertices go in the unit cube.

    Raises:
        BadInputError: its coordinates are no numbers.
        RefusedError: it is not normalised, and may not or cannot be.
    """
    vertices = vertices_of(meshes)
    if not np.isfinite(vertices).all() or np.ptp(vertices, axis=0).max() <= 0:
        raise _damaged(item.path, "has no size, or corners at infinity")
    if choice is Normalise.NEVER or looks_normalised(vertices):
        return AS_GIVEN
    if choice is Normalise.REFUSE:
        raise not_normalised(item.path, "Give --normalise pair or alone.")
    if choice is Normalise.ALONE:
        return box_placement(vertices, "alone")
    partner = partner_of(item.path, item.jaw)
    if partner is None:
        raise not_normalised(
            item.path, "Put the other jaw's file beside it (same name, other jaw), or give --normalise alone."
        )
    others = import_mesh(partner)
    both = np.concatenate([vertices, vertices_of(others)])
    _remove(others)
    return box_placement(both, "pair")


def place(meshes: Meshes, placement: Placement) -> None:
    """Move vertices of a file into the unit cube and the world frame."""
    matrix = np.eye(4)
    matrix[:3, :3] = FILE_TO_WORLD * placement.scale
    matrix[:3, 3] = -matrix[:3, :3] @ np.array(placement.centre)
    for item in meshes:
        item.data.transform(Matrix(matrix.tolist()))


def shade(meshes: Meshes, shading: Shading) -> None:
    """Flat faces, or normals between their corners: the file's own where it has them."""
    for item in meshes:
        if shading is Shading.SMOOTH:
            item.data.shade_smooth()
            continue
        item.data.shade_flat()
        own = item.data.attributes.get("custom_normal")
        if own is not None:
            item.data.attributes.remove(own)
