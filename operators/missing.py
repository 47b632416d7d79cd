"""The operator that says which teeth the patient does not have."""

from __future__ import annotations

from typing import ClassVar

import bpy
from bpy.props import IntProperty

from ..backend.teethscape.dental.fdi import TEETH
from ..scene.find import find_tooth


class TEETH_OT_toggle_absent(bpy.types.Operator):
    """Mark this tooth as one that the patient does not have, or take the mark away.

    The next reconstruction is told; a tooth of the result is hidden or shown.
    """

    bl_idname = "teeth.toggle_absent"
    bl_label = "Mark as Missing"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    fdi: IntProperty(name="FDI", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put the tooth on the scene's list, or take it off."""
        if self.fdi not in TEETH:
            self.report({"ERROR"}, f"{self.fdi} is no tooth of the model. Use FDI numbers such as 14.")
            return {"CANCELLED"}
        settings = context.scene.teethscape
        settings.absent_teeth = settings.absent_teeth ^ {self.fdi}
        tooth = find_tooth(context.scene, self.fdi)
        if tooth is not None:
            tooth.teethscape.present = self.fdi not in settings.absent_teeth
        return {"FINISHED"}


classes = (TEETH_OT_toggle_absent,)
