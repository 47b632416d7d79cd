"""Enamel and the uncertainty material."""

from __future__ import annotations

import bpy

from .heatmap import HEAT_ATTRIBUTE, srgb_to_linear

ENAMEL = "Enamel"
UNCERTAINTY = "Tooth Uncertainty"
PHOTO = "Tooth Photo"
#: Color attributes: what the photos show, and the same for solid viewports.
PHOTO_ATTRIBUTE, VIEWPORT_ATTRIBUTE = "photo", "photo_viewport"
_ROLE_KEY = "teethscape_material"

#: Principled BSDF inputs of enamel; lengths in mm, as 1 Blender unit is 1 mm.
_ENAMEL_INPUTS: dict[str, float | tuple[float, ...]] = {
    "Roughness": 0.24,
    "IOR": 1.62,
    "Subsurface Weight": 0.35,
    "Subsurface Radius": (1.1, 0.75, 0.45),
    "Subsurface Scale": 0.9,
    "Transmission Weight": 0.04,
    "Coat Weight": 0.35,
    "Coat Roughness": 0.06,
    "Coat IOR": 1.33,
}
ENAMEL_SRGB = (0.97, 0.94, 0.87)
#: Blender's studio lights turn white into grey; teeth should not look like plaster.
VIEWPORT_GAIN = 1.5


def enamel() -> bpy.types.Material:
    """The enamel material of this file, made on first use."""
    return _find(ENAMEL) or _create_enamel()


def uncertainty() -> bpy.types.Material:
    """The heat-map material of this file, made on first use."""
    return _find(UNCERTAINTY) or _create_uncertainty()


def photo() -> bpy.types.Material:
    """Enamel in the colours of the photos, made on first use."""
    return _find(PHOTO) or _create_photo()


def _find(role: str) -> bpy.types.Material | None:
    return next((item for item in bpy.data.materials if item.get(_ROLE_KEY) == role), None)


def _create(role: str, viewport_srgb: tuple[float, float, float]) -> bpy.types.Material:
    material = bpy.data.materials.new(role)
    material[_ROLE_KEY] = role
    if bpy.app.version < (5, 0, 0):  # always on, and deprecated, from 5.0
        material.use_nodes = True
    color = srgb_to_linear(viewport_srgb)
    material.diffuse_color = (*(VIEWPORT_GAIN * value for value in color), 1.0)
    material.roughness = 0.4
    return material


def _principled(material: bpy.types.Material) -> bpy.types.Node:
    return next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")


def _enamelled(material: bpy.types.Material) -> bpy.types.Node:
    shader = _principled(material)
    for name, value in _ENAMEL_INPUTS.items():
        shader.inputs[name].default_value = value
    return shader


def _create_enamel() -> bpy.types.Material:
    material = _create(ENAMEL, ENAMEL_SRGB)
    shader = _enamelled(material)
    material.node_tree.links.new(_shade(material), shader.inputs["Base Color"])
    return material


def _shade(material: bpy.types.Material) -> bpy.types.NodeSocket:
    """A base colour that differs a little from tooth to tooth, as real ones do."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    info = nodes.new("ShaderNodeObjectInfo")
    ramp = nodes.new("ShaderNodeValToRGB")
    info.location, ramp.location = (-620, 200), (-400, 200)
    warm, light = (0.92, 0.87, 0.76), (0.94, 0.90, 0.81)
    ramp.color_ramp.elements[0].color = (*srgb_to_linear(warm), 1.0)
    ramp.color_ramp.elements[1].color = (*srgb_to_linear(light), 1.0)
    links.new(info.outputs["Random"], ramp.inputs["Fac"])
    return ramp.outputs["Color"]


def _create_uncertainty() -> bpy.types.Material:
    material = _create(UNCERTAINTY, (0.16, 0.59, 0.58))
    shader = _principled(material)
    shader.inputs["Roughness"].default_value = 0.65
    _colour_by(material, shader, HEAT_ATTRIBUTE)
    return material


def _create_photo() -> bpy.types.Material:
    material = _create(PHOTO, ENAMEL_SRGB)
    _colour_by(material, _enamelled(material), PHOTO_ATTRIBUTE)
    return material


def _colour_by(material: bpy.types.Material, shader: bpy.types.Node, name: str) -> None:
    """Take the base colour from a color attribute."""
    attribute = material.node_tree.nodes.new("ShaderNodeVertexColor")
    attribute.layer_name = name
    attribute.location = (-300, 200)
    material.node_tree.links.new(attribute.outputs["Color"], shader.inputs["Base Color"])
