"""Build the scene of a synthetic patient once and show each photo's part of it."""

from __future__ import annotations

import math
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix
from photo_description import Description
from photo_materials import make_materials

#: Energy of the flashes per mm2 of the subject's distance, W.
_ENERGY = 6.0
#: Value of ``Part.WIRE`` in a description.
WIRE = 10


def _mesh(description: Description, record: dict[str, Any]) -> Any:
    """A piece's mesh, smooth, with its values per vertex."""
    name = record["name"]
    vertices, faces = description.mesh(name, "vertices"), description.mesh(name, "faces")
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, faces.shape[1], dtype=np.int32))
    for key in record["values"]:
        values = description.mesh(name, key)
        if values.ndim == 2:
            layer = mesh.color_attributes.new(key, "FLOAT_COLOR", "POINT")
            colour = np.c_[values, np.ones(len(values))].astype(np.float32)
            layer.data.foreach_set("color", colour.ravel())
        else:
            layer = mesh.attributes.new(key, "FLOAT", "POINT")
            layer.data.foreach_set("value", np.ascontiguousarray(values, np.float32))
    mesh.update(calc_edges=True)
    mesh.shade_smooth()
    return mesh


def add_pieces(description: Description) -> dict[str, Any]:
    """All pieces as objects by name; ``pass_index`` is the place in the description, from 1."""
    looks = make_materials(description.record["materials"])
    out = {}
    for number, record in enumerate(description.record["pieces"], 1):
        mesh = _mesh(description, record)
        mesh.materials.append(looks[record["material"]])
        thing = bpy.data.objects.new(record["name"], mesh)
        thing.pass_index = number
        if record["smooth"]:
            modifier = thing.modifiers.new("smooth", "SUBSURF")
            modifier.levels = modifier.render_levels = record["smooth"]
        bpy.context.scene.collection.objects.link(thing)
        out[record["name"]] = thing
    return out


def show_only(things: dict[str, Any], description: Description, view: int, labels: bool) -> None:
    """Hide what does not stand in a photo; wires are not labelled and hide nothing there."""
    for record in description.record["pieces"]:
        hidden = view not in record["views"] or (labels and record["part"] == WIRE)
        things[record["name"]].hide_render = hidden


def add_camera(record: dict[str, Any]) -> Any:
    """The camera of a photo with its exact intrinsics; becomes the scene's camera."""
    camera = record["camera"]
    data = bpy.data.cameras.new("camera")
    thing = bpy.data.objects.new("camera", data)
    width, height = camera["width"], camera["height"]
    data.sensor_fit, data.sensor_width = "HORIZONTAL", 36.0
    data.lens = camera["focal_px"] / width * 36.0
    data.shift_x = ((width - 1) / 2 - camera["principal_point"][0]) / width
    data.shift_y = (camera["principal_point"][1] - (height - 1) / 2) / width
    data.clip_start, data.clip_end = 1.0, 2000.0
    data.dof.focus_distance = record["focus_mm"]
    # The scene is in mm where Blender expects m: the aperture must be 1000 times wider.
    data.dof.aperture_fstop = record["fstop"] / 1000.0
    thing.matrix_world = Matrix(camera["cam2world"]) @ Matrix.Diagonal((1.0, -1.0, -1.0, 1.0))
    scene = bpy.context.scene
    scene.collection.objects.link(thing)
    scene.camera = thing
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = 100
    return thing


def _places(light: dict[str, Any]) -> list[tuple[float, float]]:
    """Where the flashes stand beside the lens, mm."""
    reach = light["reach"]
    if light["kind"] == "twin":
        return [(-reach, 0.25 * reach), (reach, 0.25 * reach)]
    if light["kind"] == "single":
        return [(0.0, reach)]
    turns = [2.0 * math.pi * k / 8 for k in range(8)]
    return [(reach * math.cos(a), reach * math.sin(a)) for a in turns]


def add_flash(camera: Any, light: dict[str, Any], distance: float) -> list[Any]:
    """The flashes of a photo, aimed at the teeth."""
    places, out = _places(light), []
    for x, y in places:
        lamp = bpy.data.lights.new("flash", "AREA")
        lamp.shape, lamp.size = "DISK", light["size"]
        lamp.energy = _ENERGY * distance**2 * 2.0 / len(places)
        thing = bpy.data.objects.new("flash", lamp)
        aim = Matrix.Rotation(math.atan2(x, distance), 4, "Y") @ Matrix.Rotation(
            -math.atan2(y, distance), 4, "X"
        )
        thing.matrix_world = camera.matrix_world @ Matrix.Translation((x, y, 5.0)) @ aim
        bpy.context.scene.collection.objects.link(thing)
        out.append(thing)
    return out


def set_world(room: float) -> None:
    """Dim light of the room from everywhere."""
    world = bpy.data.worlds.new("room")
    bpy.context.scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (room, room, room, 1.0)


def remove(things: list[Any]) -> None:
    """Take objects out of the scene."""
    for thing in things:
        bpy.data.objects.remove(thing, do_unlink=True)
