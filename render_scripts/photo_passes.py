"""Cycles renders as arrays: the picture of a photo and its labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from exr_lines import read_rgb
from rendering.stage import render_to

#: A normal's axis takes this many steps in a label; the middle one is 0.
_STEPS, _HALF = 4096.0, 2047.0


def configure(samples: int, seed: int, threads: int = 0) -> None:
    """Cycles with one thread per core or so many; scenes stay in memory between photos."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    if threads:
        scene.render.threads_mode, scene.render.threads = "FIXED", threads
    cycles = scene.cycles
    cycles.samples, cycles.seed = samples, seed
    cycles.use_adaptive_sampling = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 4, 1
    cycles.transmission_bounces, cycles.transparent_max_bounces = 0, 6
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.use_light_tree = False  # a few lamps side by side: choosing among them is not worth its time
    cycles.filter_width = 1.2
    # Most of the denoiser's time goes into cleaning its guides, which changes nothing to see.
    cycles.denoising_prefilter, cycles.denoising_quality = "FAST", "FAST"
    scene.render.use_persistent_data = True
    scene.render.film_transparent = False
    scene.render.use_compositing = scene.render.use_sequencer = False
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGB", "32"
    settings.exr_codec = "NONE"


def render_array(path: Path) -> np.ndarray:
    """Render the scene; (h, w, 3) float32 linear, first row at the top. ``path`` is a scratch EXR.

    Raises:
        ResourceError: Blender could not render.
    """
    render_to(bpy.context.scene, path)
    try:
        return read_rgb(path)
    finally:
        path.unlink(missing_ok=True)


def _math(tree: Any, operation: str, *values: Any) -> Any:
    """Output of a math node on sockets or numbers."""
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for socket, value in zip(node.inputs, values, strict=False):
        if isinstance(value, float):
            socket.default_value = value
        else:
            tree.links.new(value, socket)
    return node.outputs[0]


def label_material() -> Any:
    """Emits (depth, piece and normal x, normal y and z); whole numbers that float32 holds exactly.

    Depth is in mm, the piece is the object's ``pass_index``, the normal is the smooth one in the world.
    """
    material = bpy.data.materials.new("labels")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    new = tree.nodes.new
    split, out = new("ShaderNodeSeparateXYZ"), new("ShaderNodeCombineXYZ")
    tree.links.new(new("ShaderNodeNewGeometry").outputs["Normal"], split.inputs[0])
    x, y, z = (
        _math(tree, "ROUND", _math(tree, "MULTIPLY_ADD", axis, _HALF, _HALF)) for axis in split.outputs
    )
    piece = new("ShaderNodeObjectInfo").outputs["Object Index"]
    tree.links.new(new("ShaderNodeCameraData").outputs["View Z Depth"], out.inputs[0])
    tree.links.new(_math(tree, "MULTIPLY_ADD", piece, _STEPS, x), out.inputs[1])
    tree.links.new(_math(tree, "MULTIPLY_ADD", y, _STEPS, z), out.inputs[2])
    emission, end = new("ShaderNodeEmission"), new("ShaderNodeOutputMaterial")
    tree.links.new(out.outputs[0], emission.inputs["Color"])
    tree.links.new(emission.outputs[0], end.inputs["Surface"])
    return material


def unpacked(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What :func:`label_material` packed.

    Returns:
        Pieces (h, w) int, 0 for none; depth (h, w) mm; unit normals (h, w, 3) in the world.
    """
    numbers = np.round(picture.astype(np.float64))
    piece, x = np.divmod(numbers[..., 1], _STEPS)
    y, z = np.divmod(numbers[..., 2], _STEPS)
    normal = np.stack([x, y, z], -1) / _HALF - 1.0
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
    return piece.astype(np.int32), picture[..., 0], normal.astype(np.float32)


@contextmanager
def label_mode() -> Iterator[None]:
    """One sample through the middle of each pixel, everything made of the label material."""
    scene = bpy.context.scene
    layer, cycles = bpy.context.view_layer, scene.cycles
    world = scene.world.node_tree.nodes["Background"].inputs[1]
    kept = cycles.samples, cycles.use_denoising, cycles.filter_width, world.default_value
    cycles.samples, cycles.use_denoising, cycles.filter_width = 1, False, 0.01
    world.default_value = 0.0
    layer.material_override = label_material()
    try:
        yield
    finally:
        layer.material_override = None
        cycles.samples, cycles.use_denoising, cycles.filter_width = kept[:3]
        world.default_value = kept[3]
