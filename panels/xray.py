"""Panel *X-Ray*: a panoramic X-ray, the user's network, the teeth that it finds."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..backend.client import JobState, JobView
from ..properties import TEETH_PG_xray
from ..session.view_state import state
from ..session.xray import why_not
from .base import TeethPanel, draw_problem, draw_running, wrapped


class TEETH_PT_xray(TeethPanel, bpy.types.Panel):
    """Teeth in panoramic X-rays."""

    bl_idname = "TEETH_PT_xray"
    bl_label = "X-Ray"
    bl_order = 8
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the settings or the running job."""
        view = state.xray
        if view is not None and not view.state.is_over:
            draw_running(self.layout, view, "teeth.cancel_xray")
            return
        _draw_settings(self.layout, context, context.scene.teethscape.xray)
        if view is not None:
            _draw_end(self.layout, context, view)


def _draw_settings(layout: bpy.types.UILayout, context: bpy.types.Context, settings: TEETH_PG_xray) -> None:
    layout.operator("teeth.choose_xray", text="Load X-Ray…", icon="FILE_IMAGE")
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    for name in ("picture", "weights", "output"):
        column.prop(settings, name)
    row = layout.row()
    row.scale_y = 1.4
    row.operator("teeth.segment_xray", icon="VIEWZOOM")
    reason = why_not(settings)
    if reason:
        wrapped(layout, context, reason + ".", "INFO")


def _draw_end(layout: bpy.types.UILayout, context: bpy.types.Context, view: JobView) -> None:
    if view.state is JobState.DONE:
        for line in share_lines(view):
            layout.label(text=line, icon="CHECKMARK")
        layout.operator("teeth.show_xray", icon="IMAGE_DATA")
    elif view.state is JobState.CANCELLED:
        layout.label(text="Cancelled", icon="INFO")
    elif view.problem is not None:
        draw_problem(layout.box(), context, view.problem)


def share_lines(view: JobView) -> list[str]:
    """How much of the picture each class covers."""
    found = view.summary.get("xrays") or [{"classes": {}}]
    return [
        f"{name.capitalize()}: {100 * own['share']:.1f} % of the picture"
        for name, own in found[0]["classes"].items()
    ]


classes = (TEETH_PT_xray,)
