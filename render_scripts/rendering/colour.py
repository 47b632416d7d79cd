"""Colour pictures as the published script lights and shades them: Cycles, white surroundings, one material.

Source of the settings: ``teethdreamer-spec.md``, section 7. What is not named here is Blender's
own default, as there: AgX above all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from teethscape.dataset.published_views import Array

from .devices import can_denoise
from .png import png_bytes
from .stage import Stage, render_png

_WORLD_STRENGTH, _SUN_ENERGY = 3.0, 10.0
_BOUNCES = {
    "diffuse_bounces": 1,
    "glossy_bounces": 1,
    "transparent_max_bounces": 3,
    "transmission_bounces": 3,
}
_FILTER_WIDTH = 0.01
#: Colour of a mesh without colours of its own, linear.
_BASE_COLOUR = (0.8, 0.4, 0.0, 1.0)
_SUBSURFACE = 0.6
_MATERIAL = {
    "Roughness": 0.25,
    "IOR": 1.45,
    "Alpha": 1.0,
    "Coat Weight": 0.7,
    "Coat Roughness": 0.2,
    "Coat IOR": 1.0,
    "Coat Tint": (0.6, 0.6, 0.3, 1.0),
}


@dataclass(frozen=True)
class Look:
    """What differs between the kinds of pictures.

    Attributes:
        sun: a sun shines along the view.
        subsurface: weight of the scattering below the surface.
    """

    sun: bool
    subsurface: float


INPUT_LOOK = Look(sun=True, subsurface=_SUBSURFACE)
TARGET_LOOK = Look(sun=False, subsurface=0.0)


@dataclass(frozen=True)
class Quality:
    """How long Cycles works on a picture.

    Attributes:
        samples: per pixel.
        denoise: smooth the rest of the noise away.
        seed: of the noise.
    """

    samples: int
    denoise: bool
    seed: int


def prepare(stage: Stage, look: Look, engine: str, quality: Quality) -> None:
    """Light, shade and set up the engine for one kind of pictures."""
    for item in stage.meshes:
        colours = item.data.color_attributes
        material = _material(look, colours.active_color.name if len(colours) else None)
        item.data.materials.clear()
        item.data.materials.append(material)
    stage.scene.world = stage.scene.world or _white_world()
    _put_sun(stage, look)
    if engine == "CYCLES":
        _set_cycles(stage.scene, quality)
    else:
        _set_eevee(stage.scene, quality)


def rendered(stage: Stage, pose: Array, scratch: Path) -> bytes:
    """A view's PNG file, seen from a (3, 4) pose; transparent where nothing is."""
    crop = stage.look(pose, whole_file=True)
    if crop.is_empty:
        size = stage.scene.render.resolution_x
        return png_bytes(np.zeros((size, size, 4), np.uint8))
    return render_png(stage.scene, scratch)


def _set_eevee(scene: bpy.types.Scene, quality: Quality) -> None:
    """The published script's other engine; it needs a graphics processor to be of use."""
    is_next = (4, 2, 0) <= bpy.app.version < (5, 0, 0)
    scene.render.engine = "BLENDER_EEVEE_NEXT" if is_next else "BLENDER_EEVEE"
    scene.eevee.taa_render_samples = quality.samples


def _set_cycles(scene: bpy.types.Scene, quality: Quality) -> None:
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    for name, bounces in _BOUNCES.items():
        setattr(cycles, name, bounces)
    cycles.filter_width = _FILTER_WIDTH
    cycles.samples, cycles.seed = quality.samples, quality.seed
    cycles.use_denoising = quality.denoise and can_denoise()


def _material(look: Look, colours: str | None) -> bpy.types.Material:
    material = bpy.data.materials.new("Tooth")
    if bpy.app.version < (5, 0, 0):  # always on, and deprecated, from 5.0
        material.use_nodes = True
    tree = material.node_tree
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    for name, value in _MATERIAL.items():
        shader.inputs[name].default_value = value
    shader.inputs["Subsurface Weight"].default_value = look.subsurface
    shader.inputs["Base Color"].default_value = _BASE_COLOUR
    if colours is not None:
        attribute = tree.nodes.new("ShaderNodeVertexColor")
        attribute.layer_name = colours
        tree.links.new(attribute.outputs["Color"], shader.inputs["Base Color"])
    return material


def _white_world() -> bpy.types.World:
    world = bpy.data.worlds.new("White")
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    background.inputs["Strength"].default_value = _WORLD_STRENGTH
    return world


def _put_sun(stage: Stage, look: Look) -> None:
    """A sun that follows the camera, or none."""
    for item in [item for item in stage.scene.objects if item.type == "LIGHT"]:
        bpy.data.objects.remove(item)
    if not look.sun:
        return
    data = bpy.data.lights.new("Sun", "SUN")
    data.energy = _SUN_ENERGY
    sun = bpy.data.objects.new("Sun", data)
    stage.scene.collection.objects.link(sun)
    sun.parent = stage.scene.camera
