"""Panel *Setup*: is the engine there, and what does it run on?"""

from __future__ import annotations

import sys

import bpy

from ..backend.client.install_plan import STANDARD, profile
from ..backend.client.installer import EngineStatus, InstallerView
from ..backend.client.platform_support import platform_key
from ..preferences import preferences
from ..session.view_state import state
from .base import TeethPanel, clock, size_text, wrapped

_PARTS = {"envs": "Engine", "models": "Models", "cache": "Caches", "jobs": "Jobs", "logs": "Logs"}
_REASONS = {
    EngineStatus.ABSENT: "The engine that reconstructs teeth is not installed yet.",
    EngineStatus.OUTDATED: "The engine is of another version or lacks this profile. Install it again.",
    EngineStatus.BROKEN: "The engine does not run any more. Install it again.",
}


class TEETH_PT_setup(TeethPanel, bpy.types.Panel):
    """The engine: install it, see what it runs on."""

    bl_idname = "TEETH_PT_setup"
    bl_label = "Setup"
    bl_order = 0

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        """A mark that tells the state even when the panel is closed."""
        ready = state.engine is not None and state.engine.status is EngineStatus.READY
        self.layout.label(text="", icon="CHECKMARK" if ready else "NONE")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what the engine's state asks for."""
        view = state.engine
        if view is None:
            self.layout.label(text="Looking for the engine", icon="SORTTIME")
        elif view.status is EngineStatus.WORKING:
            _draw_progress(self.layout, view)
        elif view.status is EngineStatus.READY:
            _draw_ready(self.layout, context, view)
        else:
            _draw_absent(self.layout, context, view)


def _draw_progress(layout: bpy.types.UILayout, view: InstallerView) -> None:
    progress = view.progress
    layout.label(text=progress.words)
    layout.progress(text=f"{100 * progress.fraction:.0f} %", factor=progress.fraction)
    row = layout.row()
    count = f" · {progress.done} of {progress.total} packages" if progress.total else ""
    row.label(text=f"{clock(view.elapsed_s)}{count}", icon="TIME")
    layout.operator("teeth.cancel_install", icon="CANCEL")


def _draw_ready(layout: bpy.types.UILayout, context: bpy.types.Context, view: InstallerView) -> None:
    engine = view.engine
    layout.label(text=f"Engine {engine.get('version', '?')} · Python {engine.get('python', '?')}")
    layout.label(text=f"Runs on {device_text(engine.get('device', ''))}")
    _draw_problem(layout, context, view)
    header, body = layout.panel("TEETH_PT_setup_engine", default_closed=True)
    total = f": {size_text(sum(view.usage.values()))}" if view.usage else ""
    header.label(text=f"Disk Used{total}")
    if body:
        for part, size in view.usage.items():
            row = body.row()
            row.label(text=_PARTS.get(part, part))
            row.label(text=size_text(size))
        row = body.row(align=True)
        row.operator("teeth.install_engine", text="Repair", icon="FILE_REFRESH")
        row.operator("teeth.remove_engine", text="Remove", icon="TRASH")
        _draw_source(body, context)


def device_text(device: str) -> str:
    """The device that the engine reports, as people say it."""
    if not device:
        return "an unknown device"
    return f"the processor{device.removeprefix('cpu')}" if device.startswith("cpu") else device


def wheels_target(chosen_python: str) -> str:
    """What wheels must fit, as `client.wheelhouse` wants to know it."""
    if chosen_python:  # only running it would tell its version
        return "the Python of the preferences"
    return f"Python {sys.version_info.major}.{sys.version_info.minor}, {platform_key()}"


def _draw_absent(layout: bpy.types.UILayout, context: bpy.types.Context, view: InstallerView) -> None:
    if view.problem is None:
        wrapped(layout, context, "Cancelled." if view.cancelled else _REASONS[view.status], "INFO")
    _draw_problem(layout, context, view)
    _draw_source(layout, context)
    wrapped(layout, context, _need(preferences().profile.lower()), "DISK_DRIVE")
    row = layout.row()
    row.scale_y = 1.5
    row.operator("teeth.install_engine", icon="IMPORT")


def _need(name: str) -> str:
    """The space that a profile takes, in words."""
    more = ", more with a GPU" if name != STANDARD else ""
    return f"Needs {size_text(profile(name).installed_bytes)} of disk{more}"


def _draw_problem(layout: bpy.types.UILayout, context: bpy.types.Context, view: InstallerView) -> None:
    if view.problem is not None:
        box = layout.box()
        wrapped(box, context, view.problem.message, "ERROR")
        wrapped(box, context, view.problem.advice, "BLANK1")
        box.operator("teeth.copy_problem", icon="COPYDOWN")


def _draw_source(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Which parts; network or folder; when Blender is offline, the way to change that."""
    chosen = preferences()
    layout.row().prop(chosen, "profile", expand=True)
    layout.row().prop(chosen, "source", expand=True)
    if chosen.source == "FOLDER":
        wrapped(layout, context, f"Wheels for {wheels_target(chosen.python)}:")
        layout.prop(chosen, "wheels", text="")
    elif not bpy.app.online_access:
        wrapped(layout, context, "Blender may not use the network.", "INTERNET_OFFLINE")
        layout.operator("screen.userpref_show", text="Allow Online Access…").section = "SYSTEM"


classes = (TEETH_PT_setup,)
