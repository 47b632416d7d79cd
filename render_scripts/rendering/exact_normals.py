"""True normals by Cycles: one sample through each pixel's centre, the normal as emitted light.

Measured against embree's ray casts in ``benchmarks/render.py``. Unlike a viewport's matcap
nothing between the surface and the file alters the values.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.published_views import Array

from .options import Shading
from .stage import Stage, render_floats

#: Normals in pictures: x right, y up, z to the viewer.
_OPENCV_TO_PICTURE = np.diag([1.0, -1.0, -1.0])
#: Blender's least filter width, pixels: rays through the pixels' centres.
_FILTER_WIDTH = 0.01


def prepare(stage: Stage, shading: Shading) -> None:
    """Give the meshes a material that shines with their world normal, and Cycles one sample."""
    material = _normal_material(shading)
    for item in stage.meshes:
        item.data.materials.clear()
        item.data.materials.append(material)
    stage.scene.render.engine = "CYCLES"
    cycles = stage.scene.cycles
    cycles.samples, cycles.max_bounces = 1, 0
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    cycles.pixel_filter_type, cycles.filter_width = "BLACKMAN_HARRIS", _FILTER_WIDTH


def _normal_material(shading: Shading) -> bpy.types.Material:
    material = bpy.data.materials.new("Normal")
    if bpy.app.version < (5, 0, 0):  # always on, and deprecated, from 5.0
        material.use_nodes = True
    # No lamp samples these triangles; finding their light costs more than the picture.
    material.cycles.emission_sampling = "NONE"
    tree = material.node_tree
    tree.nodes.clear()
    geometry = tree.nodes.new("ShaderNodeNewGeometry")
    emission = tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    normal = geometry.outputs["True Normal" if shading is Shading.FLAT else "Normal"]
    tree.links.new(normal, emission.inputs["Color"])
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    return material


def rendered(stage: Stage, pose: Array, scratch: Path) -> NDArray[np.float32]:
    """(h, w, 4) unit normals seen from a (3, 4) pose, in the camera's axes, alpha 0 or 1."""
    crop = stage.look(pose)
    size = stage.scene.render.resolution_x
    if crop.is_empty:
        return np.zeros((size, size, 4), np.float32)
    return crop.pasted(camera_normals(render_floats(stage.scene, scratch), pose), size)


def camera_normals(world: NDArray[np.float32], pose: Array) -> NDArray[np.float32]:
    """Turn (h, w, 4) world normals into the camera's axes (x right, y up, z to the viewer)."""
    turn = (_OPENCV_TO_PICTURE @ pose[:, :3]).astype(np.float32)
    out = np.zeros_like(world)
    hit = world[..., 3] > 0.5
    normals = world[hit][:, :3] @ turn.T
    out[hit, :3] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    out[hit, 3] = 1.0
    return out


def encoded(normals: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(h, w, 4) unit normals as 8 bits, ``n * 0.5 + 0.5``; alpha is the mask, 0 elsewhere."""
    out = np.zeros(normals.shape, np.uint8)
    hit = normals[..., 3] > 0.5
    out[hit, :3] = np.rint((normals[hit][:, :3] * 0.5 + 0.5) * 255.0)
    out[hit, 3] = 255
    return out
