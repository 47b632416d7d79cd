"""Find what we made in a scene: by property, for users rename objects.

A scene may hold several cases. What is asked for by number or view is that of the case that the panels show.
"""

from __future__ import annotations

from collections.abc import Iterator

import bpy

from .collections import objects_of_other_cases


def teeth(scene: bpy.types.Scene) -> Iterator[bpy.types.Object]:
    """All tooth objects of a scene, of whichever case."""
    return (item for item in scene.objects if item.teethscape.kind == "TOOTH")


def shown_teeth(scene: bpy.types.Scene) -> Iterator[bpy.types.Object]:
    """The tooth objects of the case that the panels show."""
    others = objects_of_other_cases(scene)
    return (item for item in teeth(scene) if item not in others)


def photo_cameras(scene: bpy.types.Scene) -> Iterator[bpy.types.Object]:
    """All photo cameras of a scene, of whichever case."""
    return (item for item in scene.objects if item.teethscape.kind == "PHOTO_CAMERA")


def find_tooth(scene: bpy.types.Scene, fdi: int) -> bpy.types.Object | None:
    """The object of a tooth of the case that the panels show."""
    return next((item for item in shown_teeth(scene) if item.teethscape.fdi == fdi), None)


def shown_tooth(context: bpy.types.Context) -> int:
    """FDI number of the selected tooth of the case shown, else of the one last clicked in the chart."""
    item, scene = context.object, context.scene
    selected = item is not None and item.teethscape.kind == "TOOTH" and item.select_get()
    if selected and item not in objects_of_other_cases(scene):
        return item.teethscape.fdi
    return scene.teethscape.active_tooth


def find_photo_camera(scene: bpy.types.Scene, view: str) -> bpy.types.Object | None:
    """The camera of a view (its enum name) of the case that the panels show."""
    others = objects_of_other_cases(scene)
    own = (item for item in photo_cameras(scene) if item not in others)
    return next((item for item in own if item.teethscape.view == view), None)
