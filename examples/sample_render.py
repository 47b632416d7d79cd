"""Render one scene of the sample with Cycles (Blender's Python, or Blender itself).

python sample_render.py SCENE.npz PICTURE.png SAMPLES
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

LOG = logging.getLogger("sample_render")
Colour = tuple[float, float, float, float]


def _nodes(name: str) -> tuple[Any, Any, Any]:
    """A new material's tree with its Principled shader."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    shader = tree.nodes["Principled BSDF"]
    shader.subsurface_method = "BURLEY"
    return material, tree, shader


def _set(shader: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        shader.inputs[key].default_value = value


def _noise(tree: Any, scale: float, detail: float) -> Any:
    """A noise texture over object coordinates (mm)."""
    place = tree.nodes.new("ShaderNodeTexCoord")
    noise = tree.nodes.new("ShaderNodeTexNoise")
    _set(noise, {"Scale": scale, "Detail": detail, "Roughness": 0.6})
    tree.links.new(place.outputs["Object"], noise.inputs["Vector"])
    return noise


def _bump(tree: Any, shader: Any, height: Any, strength: float, distance: float) -> None:
    """Perturb the normal by a texture of some mm depth."""
    bump = tree.nodes.new("ShaderNodeBump")
    _set(bump, {"Strength": strength, "Distance": distance})
    tree.links.new(height, bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], shader.inputs["Normal"])


def _tinted(tree: Any, base: Any, noise: Any, dark: Colour, share: float) -> None:
    """Base colour of the tree's shader, darkened in blotches."""
    ramp = tree.nodes.new("ShaderNodeMapRange")
    _set(ramp, {"From Min": 0.42, "From Max": 0.68, "To Min": 0.0, "To Max": share})
    mix = tree.nodes.new("ShaderNodeMix")
    mix.data_type, mix.blend_type = "RGBA", "MULTIPLY"
    mix.inputs[7].default_value = dark
    tree.links.new(noise.outputs["Fac"], ramp.inputs["Value"])
    tree.links.new(ramp.outputs["Result"], mix.inputs[0])
    tree.links.new(base, mix.inputs[6])
    tree.links.new(mix.outputs[2], tree.nodes["Principled BSDF"].inputs["Base Color"])


def _attribute(tree: Any) -> Any:
    node = tree.nodes.new("ShaderNodeVertexColor")
    node.layer_name = "colour"
    return node.outputs["Color"]


def _plain(tree: Any, colour: Colour) -> Any:
    node = tree.nodes.new("ShaderNodeRGB")
    node.outputs[0].default_value = colour
    return node.outputs[0]


def enamel() -> Any:
    """Glossy, slightly translucent enamel with a film of saliva."""
    material, tree, shader = _nodes("enamel")
    _set(shader, {"Subsurface Weight": 0.45, "Subsurface Scale": 0.9, "Roughness": 0.3, "IOR": 1.6})
    _set(shader, {"Subsurface Radius": (1.0, 0.75, 0.45), "Coat Weight": 0.6, "Coat Roughness": 0.06})
    _tinted(tree, _attribute(tree), _noise(tree, 0.35, 4.0), (0.92, 0.87, 0.77, 1.0), 0.45)
    _bump(tree, shader, _noise(tree, 0.9, 5.0).outputs["Fac"], 0.5, 0.05)
    return material


def mucosa(name: str, colour: Colour | None, grain: float, depth: float) -> Any:
    """Wet soft tissue; ``grain`` (1/mm) and ``depth`` (mm) of its relief."""
    material, tree, shader = _nodes(name)
    _set(shader, {"Subsurface Weight": 0.5, "Subsurface Scale": 1.6, "Roughness": 0.42, "IOR": 1.4})
    _set(shader, {"Subsurface Radius": (1.0, 0.35, 0.25), "Coat Weight": 0.55, "Coat Roughness": 0.10})
    base = _attribute(tree) if colour is None else _plain(tree, colour)
    _tinted(tree, base, _noise(tree, 0.16, 6.0), (0.72, 0.45, 0.46, 1.0), 0.85)
    _bump(tree, shader, _noise(tree, grain, 6.0).outputs["Fac"], 0.8, depth)
    return material


def skin() -> Any:
    """Dry skin round the lips."""
    material, tree, shader = _nodes("skin")
    _set(shader, {"Subsurface Weight": 0.4, "Subsurface Scale": 1.5, "Roughness": 0.5})
    _set(shader, {"Subsurface Radius": (1.0, 0.4, 0.25), "Coat Weight": 0.15, "Coat Roughness": 0.3})
    _tinted(
        tree,
        _plain(tree, (0.56, 0.23, 0.19, 1.0)),
        _noise(tree, 0.3, 6.0),
        (0.75, 0.5, 0.48, 1.0),
        0.6,
    )
    _bump(tree, shader, _noise(tree, 1.5, 8.0).outputs["Fac"], 0.8, 0.25)
    return material


def plastic() -> Any:
    """Milky retractor."""
    material, _, shader = _nodes("plastic")
    _set(shader, {"Base Color": (0.75, 0.76, 0.78, 1.0), "Roughness": 0.18, "Transmission Weight": 0.55})
    _set(shader, {"IOR": 1.45, "Subsurface Weight": 0.3, "Subsurface Scale": 2.0})
    return material


def materials() -> dict[str, Any]:
    """Material per first word of an object's name."""
    return {
        "tooth": enamel(),
        "gum": mucosa("gum", None, 1.4, 0.30),
        "tongue": mucosa("tongue", (0.50, 0.13, 0.12, 1.0), 1.6, 0.9),
        "cheek": mucosa("cheek", (0.42, 0.085, 0.075, 1.0), 0.25, 1.2),
        "skin": skin(),
        "plastic": plastic(),
    }


def add_mesh(name: str, data: Any, looks: dict[str, Any]) -> None:
    """One object of the scene, smooth."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(data[f"{name}|vertices"].tolist(), [], data[f"{name}|faces"].tolist())
    if f"{name}|colour" in data:
        layer = mesh.color_attributes.new("colour", "FLOAT_COLOR", "POINT")
        colour = np.c_[data[f"{name}|colour"], np.ones(len(mesh.vertices))].astype(np.float32)
        layer.data.foreach_set("color", colour.ravel())
    mesh.shade_smooth()
    mesh.materials.append(looks[name.split("_")[0]])
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    levels = {"tooth": 1, "skin": 2, "cheek": 1, "plastic": 1}.get(name.split("_")[0], 0)
    if levels:
        modifier = thing.modifiers.new("smooth", "SUBSURF")
        modifier.levels = modifier.render_levels = levels


def add_camera(record: dict[str, Any], focus: float) -> Any:
    """The photo camera with its exact intrinsics and a little defocus."""
    data = bpy.data.cameras.new("camera")
    thing = bpy.data.objects.new("camera", data)
    width, height = record["width"], record["height"]
    data.sensor_fit, data.sensor_width = "HORIZONTAL", 36.0
    data.lens = record["focal_px"] / width * 36.0
    data.shift_x = ((width - 1) / 2 - record["principal_point"][0]) / width
    data.shift_y = (record["principal_point"][1] - (height - 1) / 2) / width
    data.clip_start, data.clip_end = 1.0, 2000.0
    data.dof.use_dof, data.dof.focus_distance = True, focus
    # The scene is in mm where Blender expects m: the aperture must be 1000 times wider.
    data.dof.aperture_fstop = 22.0 / 1000.0
    thing.matrix_world = Matrix(record["cam2world"]) @ Matrix.Diagonal((1.0, -1.0, -1.0, 1.0))
    scene = bpy.context.scene
    scene.collection.objects.link(thing)
    scene.camera = thing
    scene.render.resolution_x, scene.render.resolution_y = width, height
    return thing


def add_flash(camera: Any, distance: float) -> None:
    """Twin flash beside the lens and a weak fill."""
    for x, y, size, share in ((-42.0, 12.0, 16.0, 1.0), (42.0, 12.0, 16.0, 1.0), (0.0, 30.0, 60.0, 0.5)):
        light = bpy.data.lights.new("flash", "AREA")
        light.shape, light.size = "DISK", size
        light.energy = 6.0 * distance**2 * share
        thing = bpy.data.objects.new("flash", light)
        aim = Matrix.Rotation(np.arctan2(x, distance), 4, "Y") @ Matrix.Rotation(
            -np.arctan2(y, distance), 4, "X"
        )
        thing.matrix_world = camera.matrix_world @ Matrix.Translation((x, y, 5.0)) @ aim
        bpy.context.scene.collection.objects.link(thing)


def configure(samples: int, picture: Path) -> None:
    """Cycles on the CPU, denoised where this Blender can."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples = "CPU", samples
    scene.cycles.use_denoising = bool(getattr(bpy.app.build_options, "openimagedenoise", True))
    scene.cycles.max_bounces, scene.cycles.caustics_reflective = 4, False
    scene.cycles.seed = 1
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(picture)
    world = bpy.data.worlds.new("dark")
    scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.02, 0.015, 0.015, 1.0)


def main() -> None:
    """Build the scene and render it."""
    logging.basicConfig(level=logging.INFO)
    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    scene_file, picture, samples = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    bpy.ops.wm.read_factory_settings(use_empty=True)
    data = np.load(scene_file, allow_pickle=False)
    looks = materials()
    names = [key.split("|")[0] for key in data.files if key.endswith("|vertices")]
    for name in names:
        add_mesh(name, data, looks)
    record = json.loads(str(data["camera"]))
    pose = np.array(record["cam2world"])
    teeth = np.vstack([data[f"{n}|vertices"] for n in names if n.startswith("tooth")])
    depth = (teeth - pose[:3, 3]) @ pose[:3, 2]
    camera = add_camera(record, float(np.percentile(depth, 30)))
    add_flash(camera, float(np.median(depth)))
    configure(samples, picture)
    bpy.ops.render.render(write_still=True)
    LOG.info("wrote %s", picture)


if __name__ == "__main__":
    main()
