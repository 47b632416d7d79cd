"""Panel *Photos*: five slots with thumbnails and what is wrong in words."""

from __future__ import annotations

import bpy

from ..backend.teethscape.dental.views import View
from ..photos.check import Severity
from ..photos.thumbnails import shelf
from ..properties import TEETH_PG_scene
from ..session.photo_check import SlotFinding, findings, set_problems
from ..session.request import needed_views
from ..session.view_state import state
from .base import TeethPanel, wrapped

_SEVERITY_ICONS = {
    Severity.GOOD: "CHECKMARK",
    Severity.NOTE: "INFO",
    Severity.WARNING: "ERROR",
    Severity.ERROR: "CANCEL",
}


class TEETH_PT_photos(TeethPanel, bpy.types.Panel):
    """The photos to reconstruct from."""

    bl_idname = "TEETH_PT_photos"
    bl_label = "Photos"
    bl_order = 1

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        """How many of the needed photos are there."""
        settings = context.scene.teethscape
        needed = needed_views(settings)
        filled = sum(bool(settings.slot(view).filepath) for view in needed)
        self.layout.label(text=f"{filled} / {len(needed)}")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the slots."""
        layout = self.layout
        settings = context.scene.teethscape
        layout.prop(settings, "jaws", expand=True)
        row = layout.row(align=True)
        row.operator("teeth.load_photos", text="Load Folder or Files…", icon="FILE_FOLDER")
        row.operator("teeth.clear_photos", text="", icon="TRASH")
        needed = needed_views(settings)
        if not any(settings.slot(view).filepath for view in needed):
            wrapped(layout, context, "Or drop the photos here. Any order: the views are recognised.", "INFO")
            layout.operator("teeth.load_sample", icon="ASSET_MANAGER")
        found = findings(settings)
        for view in needed:
            _draw_slot(layout, context, view, found.get(view))
        _draw_check(layout, context, settings)
        layout.prop(settings, "trust_views")


def _draw_check(layout: bpy.types.UILayout, context: bpy.types.Context, settings: TEETH_PG_scene) -> None:
    """The engine's look at the photos: its button, its progress, what is wrong with the set."""
    view = state.check
    if view is not None and not view.state.is_over:
        layout.progress(text=view.message or "Starting the engine", factor=view.overall)
        return
    layout.operator("teeth.check_photos", icon="VIEWZOOM")
    if view is not None and view.problem is not None:
        wrapped(layout, context, f"{view.problem.message} {view.problem.advice}", "ERROR")
    for words in set_problems(settings):
        wrapped(layout, context, words, "INFO")


def _draw_slot(
    layout: bpy.types.UILayout, context: bpy.types.Context, view: View, found: SlotFinding | None
) -> None:
    slot = context.scene.teethscape.slot(view)
    box = layout.box()
    if not slot.filepath:
        split = box.split(factor=0.66)
        split.label(text=view.title, icon="IMAGE_DATA")
        split.operator("teeth.choose_photo", text="Choose…").view = view.name
        return
    split = box.split(factor=0.42)
    _draw_thumbnail(split.column(), view)
    column = split.column(align=True)
    _draw_title(column, view)
    _draw_buttons(column, view)
    check = shelf.checks.get(view)
    for message in check.messages if check else ():
        wrapped(box, context, message, _SEVERITY_ICONS[check.severity])
    for severity, line in found.lines if found else ():
        wrapped(box, context, line, _SEVERITY_ICONS[severity])
    twin = shelf.twins.get(view)
    if twin is not None:
        wrapped(box, context, f"The same picture as {twin.title}: choose another.", "ERROR")


def _draw_thumbnail(column: bpy.types.UILayout, view: View) -> None:
    icon = shelf.icons.get(view)
    if icon:
        column.template_icon(icon, scale=4.2)
    else:
        column.label(text="No preview", icon="IMAGE_DATA")


def _draw_title(column: bpy.types.UILayout, view: View) -> None:
    check = shelf.checks.get(view)
    column.separator(factor=0.7)  # in the middle of the thumbnail's height
    column.label(text=view.title)  # without an icon, so that the longest title fits
    if check:
        size = f"{check.size[0]} x {check.size[1]}" if check.size[0] else ""
        column.label(text=size, icon=_SEVERITY_ICONS[check.severity])


def _draw_buttons(column: bpy.types.UILayout, view: View) -> None:
    row = column.row(align=True)
    for way, icon in (("LEFT", "LOOP_BACK"), ("RIGHT", "LOOP_FORWARDS"), ("FLIP", "MOD_MIRROR")):
        button = row.operator("teeth.turn_photo", text="", icon=icon)
        button.view, button.way = view.name, way
    swap = row.operator_menu_enum("teeth.swap_photos", "other", text="", icon="ARROW_LEFTRIGHT")
    swap.view = view.name
    row.operator("teeth.choose_photo", text="", icon="FILE_FOLDER").view = view.name
    row.operator("teeth.clear_photo", text="", icon="X").view = view.name


classes = (TEETH_PT_photos,)
