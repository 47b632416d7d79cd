"""Panel *Teeth* of the Image Editor: the case's photos, clicking, fitting again."""

from __future__ import annotations

import bpy

from ..backend.teethscape.dental.views import View
from ..session.clicking import clickable_case, clicked_view
from .base import wrapped


class TEETH_PT_clicks(bpy.types.Panel):
    """Correct tooth masks by clicks."""

    bl_idname = "TEETH_PT_clicks"
    bl_label = "Tooth Masks"
    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Teeth"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the photos' buttons and the tools."""
        layout, settings = self.layout, context.scene.teethscape
        if clickable_case(settings) is None:
            wrapped(layout, context, "No case yet: reconstruct teeth, or open a case folder.", "INFO")
            return
        current = clicked_view(context)
        column = layout.column(align=True)
        for view in View:
            button = column.operator("teeth.show_photo", text=view.title, depress=view is current)
            button.view = view.name
        layout.prop(settings, "click_engine")
        layout.operator("teeth.click_tooth", icon="RESTRICT_SELECT_OFF")
        layout.prop(settings, "click_refit")
        layout.operator("teeth.refit", icon="FILE_REFRESH")


classes = (TEETH_PT_clicks,)
