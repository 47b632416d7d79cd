"""How a case is shown: through a photo's camera, as heat map, photo mixed in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from enum import Enum

import bpy
from mathutils import Vector

from . import materials
from .heatmap import HEAT_ATTRIBUTE


class PhotoDisplay(str, Enum):
    """Where the photo lies while one looks through its camera."""

    BEHIND = "BEHIND"
    BLEND = "BLEND"
    HIDDEN = "HIDDEN"


def aim_scene(scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """Make a photo camera the scene's camera, with the photo's own frame size."""
    scene.camera = camera
    render = scene.render
    render.resolution_x, render.resolution_y = int(camera["photo_width"]), int(camera["photo_height"])
    render.resolution_percentage = 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0


def show_photos(cameras: Iterable[bpy.types.Object], display: PhotoDisplay) -> None:
    """Put the photos behind the teeth, half over them, or hide them."""
    for camera in cameras:
        camera.data.show_background_images = display is not PhotoDisplay.HIDDEN
        for background in camera.data.background_images:
            blend = display is PhotoDisplay.BLEND
            background.display_depth = "FRONT" if blend else "BACK"
            background.alpha = 0.5 if blend else 1.0


class ToothColours(Enum):
    """What colours the teeth."""

    ENAMEL = "enamel"
    UNCERTAINTY = "uncertainty"
    PHOTO = "photo"


def show_colours(teeth: Iterable[bpy.types.Object], colours: ToothColours) -> None:
    """Switch tooth objects between enamel, the uncertainty and the photos' colours."""
    make = {ToothColours.UNCERTAINTY: materials.uncertainty, ToothColours.PHOTO: materials.photo}
    material = make.get(colours, materials.enamel)()
    attribute = {ToothColours.UNCERTAINTY: HEAT_ATTRIBUTE, ToothColours.PHOTO: materials.VIEWPORT_ATTRIBUTE}
    for tooth in teeth:
        named = tooth.data.color_attributes.get(attribute.get(colours, ""))
        if named is not None:
            tooth.data.color_attributes.active_color = named
        if tooth.data.materials:
            tooth.data.materials[0] = material
        else:
            tooth.data.materials.append(material)


def set_presence(tooth: bpy.types.Object, present: bool) -> None:
    """Hide a tooth that the user declared absent, or show it again."""
    tooth.hide_viewport = not present
    tooth.hide_render = not present


def show_attribute_colors(enabled: bool) -> None:
    """Make solid 3D viewports show the active color attribute, or the materials again.

    Material and rendered viewports take the colours from the material anyway.
    """
    for space in viewports():
        space.shading.color_type = "VERTEX" if enabled else "MATERIAL"


def viewports() -> Iterator[bpy.types.SpaceView3D]:
    """All 3D viewports that are open."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                yield area.spaces.active


def bring_into_view(objects: Collection[bpy.types.Object]) -> None:
    """Bring objects that were made or moved just now into all viewports."""
    bpy.context.view_layer.update()
    for space in viewports():
        frame_teeth(space, objects)


def frame_teeth(space: bpy.types.SpaceView3D, teeth: Iterable[bpy.types.Object]) -> None:
    """Bring the teeth into a viewport, from the direction that it looks anyway.

    A viewport that looks through a camera is left alone.
    """
    corners = [item.matrix_world @ Vector(corner) for item in teeth for corner in item.bound_box]
    view = space.region_3d
    if not corners or view.view_perspective == "CAMERA":
        return
    low = Vector(min(corner[k] for corner in corners) for k in range(3))
    high = Vector(max(corner[k] for corner in corners) for k in range(3))
    view.view_location = (low + high) / 2
    view.view_distance = 1.3 * (high - low).length
