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
_THROAT = (0.03, 0.006, 0.005, 1.0)
#: Distance between the copies of the mouth, mm.
_APART = 20000.0


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


def make_meshes(description: Description) -> list[Any]:
    """Meshes of all pieces, with their materials, in the description's order."""
    looks = make_materials(description.record["materials"])
    out = []
    for record in description.record["pieces"]:
        mesh = _mesh(description, record)
        mesh = _subdivided(mesh, record["smooth"]) if record["smooth"] else mesh
        mesh.materials.append(looks[record["material"]])
        out.append(mesh)
    return out


def _subdivided(mesh: Any, levels: int) -> Any:
    """The mesh after subdivision; a modifier on each copy would cost each copy its own mesh."""
    thing = bpy.data.objects.new(mesh.name, mesh)
    modifier = thing.modifiers.new("smooth", "SUBSURF")
    modifier.levels = modifier.render_levels = levels
    bpy.context.scene.collection.objects.link(thing)
    graph = bpy.context.evaluated_depsgraph_get()
    fine = bpy.data.meshes.new_from_object(thing.evaluated_get(graph), depsgraph=graph)
    bpy.data.objects.remove(thing, do_unlink=True)
    bpy.data.meshes.remove(mesh)
    return fine


def _add_piece(mesh: Any, record: dict[str, Any], number: int, place: Matrix) -> Any:
    """One piece as an object; ``pass_index`` is its place in the description, from 1."""
    thing = bpy.data.objects.new(record["name"], mesh)
    thing.pass_index = number
    thing.matrix_world = place
    bpy.context.scene.collection.objects.link(thing)
    return thing


def _add_camera() -> Any:
    """The scene's only camera."""
    thing = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    data, scene = thing.data, bpy.context.scene
    data.sensor_fit, data.sensor_width = "HORIZONTAL", 36.0
    data.clip_start, data.clip_end = 1.0, 2000.0
    scene.collection.objects.link(thing)
    scene.camera = thing
    return thing


def _pose(record: dict[str, Any]) -> Matrix:
    """Place of a photo's camera in Blender's axes (x right, y up, z backwards), among the copies."""
    place = Matrix.Translation((_APART * record["view"], 0.0, 0.0))
    return place @ Matrix(record["camera"]["cam2world"]) @ Matrix.Diagonal((1.0, -1.0, -1.0, 1.0))


def aim(thing: Any, record: dict[str, Any], defocus: bool) -> None:
    """Give the camera the pose, exact intrinsics and, if wanted, depth of field of a photo."""
    camera, data = record["camera"], thing.data
    width, height = camera["width"], camera["height"]
    data.lens = camera["focal_px"] / width * 36.0
    data.shift_x = ((width - 1) / 2 - camera["principal_point"][0]) / width
    data.shift_y = (camera["principal_point"][1] - (height - 1) / 2) / width
    data.dof.use_dof, data.dof.focus_distance = defocus, record["focus_mm"]
    # The scene is in mm where Blender expects m: the aperture must be 1000 times wider.
    data.dof.aperture_fstop = record["fstop"] / 1000.0
    thing.matrix_world = _pose(record)


def _places(light: dict[str, Any]) -> list[tuple[float, float]]:
    """Where the flashes stand beside the lens, mm."""
    reach = light["reach"]
    if light["kind"] == "twin":
        return [(-reach, 0.25 * reach), (reach, 0.25 * reach)]
    if light["kind"] == "single":
        return [(0.0, reach)]
    turns = [2.0 * math.pi * k / 8 for k in range(8)]
    return [(reach * math.cos(a), reach * math.sin(a)) for a in turns]


def _add_flash(light: dict[str, Any]) -> list[Any]:
    """The flashes round the lens."""
    out = []
    for _ in _places(light):
        lamp = bpy.data.lights.new("flash", "AREA")
        lamp.shape, lamp.size = "DISK", light["size"]
        thing = bpy.data.objects.new("flash", lamp)
        bpy.context.scene.collection.objects.link(thing)
        out.append(thing)
    return out


def aim_flash(lamps: list[Any], pose: Matrix, light: dict[str, Any], distance: float) -> None:
    """Move the flashes to a photo's camera and aim them at the teeth."""
    for thing, (x, y) in zip(lamps, _places(light), strict=True):
        thing.data.energy = _ENERGY * distance**2 * 2.0 / len(lamps)
        turn = Matrix.Rotation(math.atan2(x, distance), 4, "Y") @ Matrix.Rotation(
            -math.atan2(y, distance), 4, "X"
        )
        thing.matrix_world = pose @ Matrix.Translation((x, y, 5.0)) @ turn


def set_world(room: float) -> None:
    """Dim light of the room from everywhere; where a camera looks past everything it is the throat."""
    world = bpy.data.worlds.new("room")
    bpy.context.scene.world = world
    world.use_nodes = True
    tree = world.node_tree
    mix, path = tree.nodes.new("ShaderNodeMix"), tree.nodes.new("ShaderNodeLightPath")
    mix.data_type = "RGBA"
    mix.inputs[6].default_value, mix.inputs[7].default_value = (room, room, room, 1.0), _THROAT
    tree.links.new(path.outputs["Is Camera Ray"], mix.inputs[0])
    tree.links.new(mix.outputs[2], tree.nodes["Background"].inputs[0])


class Stage:
    """Everything of a patient in one scene: per photo a copy of its pieces.

    The copies share their meshes and stand so far apart that they do not see each other.  Thus nothing
    but camera and flash move from photo to photo, and Cycles reads the scene once for all.

    Args:
        description: the patient; the scene must be empty.
    """

    def __init__(self, description: Description) -> None:
        self._camera, self._wires, self._defocus = _add_camera(), [], False
        self._records = {record["view"]: record for record in description.record["views"]}
        self._light = description.record["looks"]["light"]
        self._lamps, meshes = _add_flash(self._light), make_meshes(description)
        for record in description.record["views"]:
            place = Matrix.Translation((_APART * record["view"], 0.0, 0.0))
            for number, piece in enumerate(description.record["pieces"], 1):
                if record["view"] in piece["views"]:
                    thing = _add_piece(meshes[number - 1], piece, number, place)
                    self._wires += [thing] if piece["part"] == WIRE else []
        render = bpy.context.scene.render
        render.resolution_percentage = 100
        render.resolution_x = description.record["width"]
        render.resolution_y = description.record["height"]

    def prepare(self, labels: bool) -> None:
        """Set up for labels or pictures; wires are not labelled and hide nothing there."""
        for wire in self._wires:
            wire.hide_render = labels
        self._defocus = not labels

    def show(self, view: int) -> None:
        """Look at one photo."""
        record = self._records[view]
        aim(self._camera, record, self._defocus)
        aim_flash(self._lamps, _pose(record), self._light, record["distance_mm"])
