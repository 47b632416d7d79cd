"""Millimetres in Blender: 1 Blender unit is 1 mm."""

from __future__ import annotations

import bpy

_MM_PER_METRE = 0.001


def shows_millimetres(scene: bpy.types.Scene) -> bool:
    """True when Blender's rulers and fields show our millimetres as such."""
    units = scene.unit_settings
    return units.system == "METRIC" and abs(units.scale_length - _MM_PER_METRE) < 1e-9


def use_millimetres(scene: bpy.types.Scene) -> None:
    """Make the scene show millimetres. Only ever called when the user asked."""
    units = scene.unit_settings
    units.system = "METRIC"
    units.scale_length = _MM_PER_METRE
    units.length_unit = "MILLIMETERS"
