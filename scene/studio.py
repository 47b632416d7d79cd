"""A small photo studio for pictures of a case: soft light and one camera."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import bpy
import numpy as np
from mathutils import Euler, Vector

_LENS_MM, _SENSOR_MM = 85.0, 36.0
_PICTURE_SIZE = (960, 600)
#: How much of the picture stays free around the subjects.
_MARGIN = 1.12
#: Name, rotation (degrees), strength and angular size (degrees) of each sun.
#: Suns, because their light does not depend on the scene's size in units.
_SUNS = (
    ("Key Light", (55.0, 0.0, 35.0), 2.6, 25.0),
    ("Fill Light", (70.0, 0.0, -50.0), 1.2, 60.0),
    ("Under Light", (115.0, 0.0, 10.0), 0.7, 70.0),
)
_TOWARDS = Vector((0.38, -1.0, 0.03)).normalized()
_BACKGROUND = (0.045, 0.05, 0.06, 1.0)


def add_studio(scene: bpy.types.Scene, subjects: Iterable[bpy.types.Object]) -> bpy.types.Collection:
    """Add lights, a dark backdrop and a camera that frames the subjects."""
    studio = bpy.data.collections.new("Studio")
    scene.collection.children.link(studio)
    for name, degrees, strength, size in _SUNS:
        light = bpy.data.lights.new(name, "SUN")
        light.energy, light.angle = strength, np.radians(size)
        item = bpy.data.objects.new(name, light)
        item.rotation_euler = Euler(np.radians(degrees))
        studio.objects.link(item)
    scene.world = _dark_world()
    scene.render.resolution_x, scene.render.resolution_y = _PICTURE_SIZE
    scene.camera = _framing_camera(scene, list(subjects))
    scene.collection.objects.unlink(scene.camera)
    studio.objects.link(scene.camera)
    return studio


def _dark_world() -> bpy.types.World:
    world = bpy.data.worlds.new("Studio")
    if bpy.app.version < (5, 0, 0):  # always on, and deprecated, from 5.0
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = _BACKGROUND
    return world


def _framing_camera(scene: bpy.types.Scene, subjects: list[bpy.types.Object]) -> bpy.types.Object:
    """A camera that sees all subjects, from the front, a little from the left and above."""
    data = bpy.data.cameras.new("Studio Camera")
    data.lens, data.sensor_width = _LENS_MM, _SENSOR_MM
    data.clip_start, data.clip_end = 1.0, 5000.0
    camera = bpy.data.objects.new("Studio Camera", data)
    scene.collection.objects.link(camera)
    camera.rotation_euler = _TOWARDS.to_track_quat("Z", "Y").to_euler()
    bpy.context.view_layer.update()
    corners = [item.matrix_world @ Vector(corner) for item in subjects for corner in item.bound_box]
    flat = [value for corner in corners for value in corner]
    location, _ = camera.camera_fit_coords(bpy.context.evaluated_depsgraph_get(), flat)
    centre = sum(corners, Vector()) / len(corners)
    camera.location = location + _TOWARDS * (_MARGIN - 1.0) * (location - centre).length
    return camera


def render_picture(scene: bpy.types.Scene, picture: Path, samples: int = 12) -> None:
    """Render the scene with Cycles on the processor into a PNG."""
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = _can_denoise()
    scene.view_settings.view_transform = "Standard"
    render.resolution_x, render.resolution_y = _PICTURE_SIZE
    render.resolution_percentage = 100
    render.image_settings.file_format = "PNG"
    render.filepath = str(picture)
    bpy.ops.render.render(write_still=True)


def _can_denoise() -> bool:
    """Some distributions build Blender without the denoiser."""
    try:
        import _cycles
    except ImportError:
        return False
    return bool(getattr(_cycles, "with_openimagedenoise", False))
