"""Unfinished surfaces of a running job, to look at: one object per file, gone when the job is over."""

from __future__ import annotations

import bpy

from .materials import enamel
from .ply import PlyMesh
from .teeth import create_mesh

_KEY = "teethscape_preview"
_MODE = "OBJECT"


class _Edits:
    """Whether a preview was in another mode than Object Mode since the file was opened.

    Undo steps of Edit Mode find their object by its name, and Blender crashes when it is gone. From then on
    previews leave their scenes but stay in memory, without a user, until another file is opened.
    """

    seen = False

    def look(self) -> None:
        """Remember whether there is one now."""
        self.seen = self.seen or any(item.mode != _MODE for item in _previews())


_edits = _Edits()


def show_preview(scene: bpy.types.Scene, name: str, source: PlyMesh) -> bpy.types.Object:
    """Make the object of an unfinished surface, or give it its new mesh; never while it `is_edited`.

    Args:
        scene: that gets it.
        name: which one, such as ``upper``.
        source: world frame, mm (1 Blender unit = 1 mm).
    """
    mesh = create_mesh(f"Preview {name}", source.vertices, source.faces)
    mesh.materials.append(enamel())
    found = _shown(scene, name) or _unlinked(name)
    if found is None:
        found = bpy.data.objects.new(f"Preview {name}", mesh)
        found[_KEY] = name
    else:
        old, found.data = found.data, mesh
        _remove_unused(old)
    if not found.users_collection:
        scene.collection.objects.link(found)
    return found


def is_edited(scene: bpy.types.Scene, name: str) -> bool:
    """Whether the user has a preview in another mode than Object Mode, in which it takes no new mesh."""
    found = _shown(scene, name)
    return found is not None and found.mode != _MODE


def watch_edits() -> None:
    """Look whether a preview is edited; to be called often enough to see it."""
    _edits.look()


def forget_edits() -> None:
    """A file was opened: no undo step knows of previews."""
    _edits.seen = False


def clear_previews() -> bool:
    """Take the objects of all unfinished surfaces out of all scenes; whether there were any."""
    _edits.look()
    _keep_modes()
    found = _previews()
    shown = any(item.users_collection for item in found)
    for item in found:
        if _edits.seen:
            for collection in item.users_collection:
                collection.objects.unlink(item)
        else:
            mesh = item.data
            bpy.data.objects.remove(item)
            _remove_unused(mesh)
    return shown


def _previews() -> list[bpy.types.Object]:
    return [item for item in bpy.data.objects if _KEY in item]


def _shown(scene: bpy.types.Scene, name: str) -> bpy.types.Object | None:
    return next((item for item in scene.objects if item.get(_KEY) == name), None)


def _unlinked(name: str) -> bpy.types.Object | None:
    """One that was taken out of its scene and can be used again."""
    free = (item for item in _previews() if not item.users_collection and item.mode == _MODE)
    return next((item for item in free if item.get(_KEY) == name), None)


def _remove_unused(data: bpy.types.ID | None) -> None:
    """Remove what a preview was made of; what the user has taken for another object stays."""
    if data is not None and data.users == 0:
        bpy.data.batch_remove((data,))


def _keep_modes() -> None:
    """Objects that are edited together with a preview need another active one, to leave their mode by."""
    for layer in (layer for scene in bpy.data.scenes for layer in scene.view_layers):
        active = layer.objects.active
        if active is not None and _KEY in active and active.mode != _MODE:
            others = (item for item in layer.objects if item.mode == active.mode and _KEY not in item)
            layer.objects.active = next(others, active)
