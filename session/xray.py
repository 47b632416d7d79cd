"""The job of the X-Ray panel: its request, what stands in its way, and its overlay in an Image Editor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from ..backend.client import JobView
from ..preferences import cases_root
from ..properties import TEETH_PG_xray
from .readiness import why_no_current_engine
from .view_state import state

#: Name of the picture that shows the last overlay.
IMAGE = "X-Ray Teeth"


def xray_is_open() -> bool:
    """True while an X-ray is queued, segmented or being cancelled."""
    return state.xray is not None and not state.xray.state.is_over


def why_not(settings: TEETH_PG_xray) -> str:
    """Why no X-ray can be segmented now, with the remedy; empty when it can."""
    if engine := why_no_current_engine():
        return engine
    if xray_is_open():
        return "An X-ray is being segmented: wait for it or cancel it"
    if not settings.picture:
        return "No X-ray: choose a picture"
    if not settings.weights:
        return "No network: choose one that you trained"
    return ""


def build_request(settings: TEETH_PG_xray) -> dict[str, Any]:
    """The JSON form of ``XrayRequest``."""
    chosen = bpy.path.abspath(settings.output)
    output = Path(chosen) if chosen else cases_root() / "xrays"
    return {
        "picture": str(Path(bpy.path.abspath(settings.picture)).absolute()),
        "weights": str(Path(bpy.path.abspath(settings.weights)).absolute()),
        "output": str(output.absolute()),
    }


def overlay_of(view: JobView | None) -> Path | None:
    """The overlay that a finished job has written."""
    found = view.summary.get("xrays") if view is not None else None
    return Path(found[0]["overlay"]) if found else None


def show_overlay(path: Path | None) -> bool:
    """Load an overlay and show it in every Image Editor; returns whether one is open."""
    if path is None or not path.is_file():
        return False
    image = bpy.data.images.get(IMAGE)
    if image is None:
        image = bpy.data.images.load(str(path))
        image.name = IMAGE
    else:
        image.filepath = str(path)
        image.reload()
    editors = list(_image_editors())
    for area in editors:
        area.spaces.active.image = image
        area.tag_redraw()
    return bool(editors)


def _image_editors() -> Iterator[bpy.types.Area]:
    for window in bpy.context.window_manager.windows:
        yield from (area for area in window.screen.areas if area.type == "IMAGE_EDITOR")
