"""Fit a camera's frame into the part of a viewport that the sidebar leaves free."""

from __future__ import annotations

import math

import bpy

_MARGIN_PX = 24


def fit_frame(area: bpy.types.Area, aspect: float) -> None:
    """Zoom and shift the camera view of a 3D viewport; one must look through a camera.

    Blender's own *Center Camera* uses the whole viewport, also what lies under the
    sidebar.

    Args:
        area: the viewport.
        aspect: width over height of the camera's frame.
    """
    region = next(part for part in area.regions if part.type == "WINDOW")
    view = area.spaces.active.region_3d
    covered = _covered_px(area, region)
    free = max(region.width - covered - _MARGIN_PX, 100)
    frame = min(free, (region.height - _MARGIN_PX) * aspect)
    # Our cameras fit horizontally: at factor 1 the frame is as wide as the viewport.
    factor = frame / region.width
    view.view_camera_zoom = min(max((2.0 * math.sqrt(factor) - math.sqrt(2.0)) * 50.0, -30.0), 600.0)
    view.view_camera_offset = (covered / (4.0 * factor * region.width), 0.0)


def _covered_px(area: bpy.types.Area, region: bpy.types.Region) -> int:
    """Width of the sidebar where it overlaps the viewport."""
    sidebar = next((part for part in area.regions if part.type == "UI"), None)
    if sidebar is None or sidebar.width < 2 or sidebar.x >= region.x + region.width:
        return 0
    return region.x + region.width - sidebar.x
