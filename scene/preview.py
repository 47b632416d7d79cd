"""Unfinished surfaces of a running job, to look at: one object per file, gone when the job is over."""

from __future__ import annotations

import bpy

from .materials import enamel
from .ply import PlyMesh
from .teeth import create_mesh

_KEY = "teethscape_preview"


def show_preview(scene: bpy.types.Scene, name: str, source: PlyMesh) -> bpy.types.Object:
    """Make the object of an unfinished surface, or give it its new mesh.

    Args:
        scene: that gets it.
        name: which one, such as ``upper``.
        source: world frame, mm (1 Blender unit = 1 mm).
    """
    mesh = create_mesh(f"Preview {name}", source.vertices, source.faces)
    mesh.materials.append(enamel())
    found = next((item for item in scene.objects if item.get(_KEY) == name), None)
    if found is None:
        found = bpy.data.objects.new(f"Preview {name}", mesh)
        found[_KEY] = name
        scene.collection.objects.link(found)
        return found
    old, found.data = found.data, mesh
    bpy.data.meshes.remove(old)
    return found


def clear_previews() -> bool:
    """Remove the objects of all unfinished surfaces; whether there were any."""
    meshes = {item.data for item in bpy.data.objects if _KEY in item}
    for mesh in meshes:
        bpy.data.meshes.remove(mesh)  # the objects go with it
    return bool(meshes)
