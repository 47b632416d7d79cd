"""Find what we made in a scene: by property, for users rename objects."""

from __future__ import annotations

from collections.abc import Iterator

import bpy


def teeth(scene: bpy.types.Scene) -> Iterator[bpy.types.Object]:
    """All tooth objects of a scene."""
    return (item for item in scene.objects if item.teethscape.kind == "TOOTH")


def photo_cameras(scene: bpy.types.Scene) -> Iterator[bpy.types.Object]:
    """All photo cameras of a scene."""
    return (item for item in scene.objects if item.teethscape.kind == "PHOTO_CAMERA")


def find_tooth(scene: bpy.types.Scene, fdi: int) -> bpy.types.Object | None:
    """The object of a tooth in a scene."""
    return next((item for item in teeth(scene) if item.teethscape.fdi == fdi), None)


def shown_tooth(context: bpy.types.Context) -> int:
    """FDI number of the selected tooth, else of the one last clicked in the chart."""
    item = context.object
    if item is not None and item.teethscape.kind == "TOOTH" and item.select_get():
        return item.teethscape.fdi
    return context.scene.teethscape.active_tooth


def find_photo_camera(scene: bpy.types.Scene, view: str) -> bpy.types.Object | None:
    """The camera of a view (its enum name) in a scene."""
    return next((item for item in photo_cameras(scene) if item.teethscape.view == view), None)
