"""Tooth objects: mesh, attributes, custom properties."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from ..backend.teethscape.dental.fdi import object_name
from .case_data import ToothRecord
from .heatmap import HEAT_ATTRIBUTE, heat_colors, linear_of
from .materials import ENAMEL_SRGB, PHOTO_ATTRIBUTE, VIEWPORT_ATTRIBUTE, VIEWPORT_GAIN
from .ply import PlyMesh

SIGMA_ATTRIBUTE = "sigma_mm"
INFERRED_ATTRIBUTE = "inferred"


def create_tooth(record: ToothRecord, source: PlyMesh, material: bpy.types.Material) -> bpy.types.Object:
    """Make the object ``FDI_NN`` of a tooth, not yet linked to a collection.

    Args:
        record: what case.json says about the tooth.
        source: its surface, world frame, mm (1 Blender unit = 1 mm).
        material: the enamel.
    """
    centre = source.vertices.mean(axis=0)
    mesh = create_mesh(object_name(record.fdi), source.vertices - centre, source.faces)
    sigma = source.attributes.get(SIGMA_ATTRIBUTE, np.full(len(source.vertices), record.sigma_mm))
    inferred = source.attributes.get(INFERRED_ATTRIBUTE, np.zeros(len(source.vertices)))
    _add_attributes(mesh, np.asarray(sigma, np.float32), np.asarray(inferred, bool))
    _add_photo_colors(mesh, _photo_colors(source))
    mesh.materials.append(material)
    tooth = bpy.data.objects.new(object_name(record.fdi), mesh)
    tooth.location = centre.tolist()
    _describe(tooth, record)
    return tooth


def create_mesh(name: str, vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> bpy.types.Mesh:
    """A smooth-shaded triangle mesh from (V, 3) mm and (F, 3) indices."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    mesh.shade_smooth()
    return mesh


def _add_attributes(mesh: bpy.types.Mesh, sigma: NDArray[np.float32], inferred: NDArray[np.bool_]) -> None:
    mesh.attributes.new(SIGMA_ATTRIBUTE, "FLOAT", "POINT").data.foreach_set("value", sigma)
    mesh.attributes.new(INFERRED_ATTRIBUTE, "BOOLEAN", "POINT").data.foreach_set("value", inferred)
    _add_colors(mesh, HEAT_ATTRIBUTE, heat_colors(sigma, inferred))


def _add_colors(mesh: bpy.types.Mesh, name: str, rgba: NDArray[np.float32]) -> None:
    mesh.color_attributes.new(name, "BYTE_COLOR", "POINT").data.foreach_set("color_srgb", rgba.ravel())


def _add_photo_colors(mesh: bpy.types.Mesh, rgba: NDArray[np.float32]) -> None:
    """The true colours, and brighter ones against the grey of Blender's studio lights."""
    _add_colors(mesh, PHOTO_ATTRIBUTE, rgba)
    bright = rgba.copy()
    bright[:, :3] = VIEWPORT_GAIN * linear_of(rgba[:, :3])
    mesh.color_attributes.new(VIEWPORT_ATTRIBUTE, "FLOAT_COLOR", "POINT").data.foreach_set(
        "color", bright.ravel()
    )


def _photo_colors(source: PlyMesh) -> NDArray[np.float32]:
    """(V, 4) sRGB of what the photos show; enamel in cases of versions that did not write it."""
    rgba = np.ones((len(source.vertices), 4), np.float32)
    rgba[:, :3] = ENAMEL_SRGB
    if {"red", "green", "blue"} <= set(source.attributes):
        rgba[:, :3] = np.stack([source.attributes[name] for name in ("red", "green", "blue")], axis=1) / 255
    return rgba


def _describe(tooth: bpy.types.Object, record: ToothRecord) -> None:
    settings = tooth.teethscape
    settings.kind = "TOOTH"
    settings.fdi = record.fdi
    settings.present = record.present
    tooth["confidence"] = record.confidence
    tooth["sigma_mm"] = record.sigma_mm
    tooth["seen_in"] = ", ".join(record.seen_in)
    tooth["width_mm"] = record.width_mm
    tooth["width_sigma_mm"] = record.width_sigma_mm
