"""Cycles renders as arrays: the picture of a photo and its labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import numpy as np


def configure(samples: int, seed: int) -> None:
    """Cycles on the processor; scenes stay in memory between photos."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.seed = "CPU", samples, seed
    cycles.use_adaptive_sampling = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 3, 2, 1
    cycles.transmission_bounces, cycles.transparent_max_bounces = 0, 6
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.filter_width = 1.2
    scene.render.use_persistent_data = True
    scene.render.film_transparent = False
    scene.render.use_compositing = scene.render.use_sequencer = False
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGB", "32"
    settings.exr_codec = "NONE"


def has_denoiser() -> bool:
    """Whether this Blender was built with Open Image Denoise (Debian's is not)."""
    return bool(getattr(bpy.app.build_options, "openimagedenoise", True))


def render_array(path: Path) -> np.ndarray:
    """Render the scene; (h, w, 3) float32 linear, first row at the top. ``path`` is a scratch EXR."""
    scene = bpy.context.scene
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(str(path), check_existing=False)
    try:
        width, height = picture.size
        values = np.empty(width * height * picture.channels, np.float32)
        picture.pixels.foreach_get(values)
        return values.reshape(height, width, picture.channels)[::-1, :, :3].copy()
    finally:
        bpy.data.images.remove(picture)
        path.unlink(missing_ok=True)


def _emission(name: str) -> tuple[Any, Any]:
    """A material that only emits, and the socket of its colour."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    emission, output = tree.nodes.new("ShaderNodeEmission"), tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    return material, emission.inputs["Color"]


def place_material() -> Any:
    """Emits (piece number, depth in mm, 0)."""
    material, target = _emission("label_place")
    tree = material.node_tree
    combine = tree.nodes.new("ShaderNodeCombineXYZ")
    info, camera = tree.nodes.new("ShaderNodeObjectInfo"), tree.nodes.new("ShaderNodeCameraData")
    tree.links.new(info.outputs["Object Index"], combine.inputs[0])
    tree.links.new(camera.outputs["View Z Depth"], combine.inputs[1])
    tree.links.new(combine.outputs[0], target)
    return material


def normal_material() -> Any:
    """Emits the smooth normal in the world, n * 0.5 + 0.5."""
    material, target = _emission("label_normal")
    tree = material.node_tree
    scale = tree.nodes.new("ShaderNodeVectorMath")
    scale.operation = "MULTIPLY_ADD"
    scale.inputs[1].default_value = scale.inputs[2].default_value = (0.5, 0.5, 0.5)
    geometry = tree.nodes.new("ShaderNodeNewGeometry")
    tree.links.new(geometry.outputs["Normal"], scale.inputs[0])
    tree.links.new(scale.outputs[0], target)
    return material


@contextmanager
def label_mode(material: Any) -> Iterator[None]:
    """One sample through the middle of each pixel, everything made of ``material``."""
    scene = bpy.context.scene
    layer, cycles, camera = bpy.context.view_layer, scene.cycles, scene.camera.data
    world = scene.world.node_tree.nodes["Background"].inputs[1]
    kept = cycles.samples, cycles.use_denoising, cycles.filter_width, camera.dof.use_dof, world.default_value
    cycles.samples, cycles.use_denoising, cycles.filter_width = 1, False, 0.01
    camera.dof.use_dof, world.default_value = False, 0.0
    layer.material_override = material
    try:
        yield
    finally:
        layer.material_override = None
        cycles.samples, cycles.use_denoising, cycles.filter_width = kept[:3]
        camera.dof.use_dof, world.default_value = kept[3:]
