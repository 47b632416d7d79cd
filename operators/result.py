"""Operators of the result: look through a photo, choose teeth, scale, units."""

from __future__ import annotations

from typing import ClassVar

import bpy
from bpy.props import EnumProperty, IntProperty

from ..backend.teethscape.dental.fdi import Jaw
from ..backend.teethscape.dental.views import View
from ..scene.camera_view import fit_frame
from ..scene.collections import hides_a_jaw, show_jaws
from ..scene.find import find_photo_camera, find_tooth, shown_tooth
from ..scene.look import aim_scene
from ..scene.units import shows_millimetres, use_millimetres
from ..session.result import result_of

_VIEW_ITEMS = [(view.name, view.title, f"The {view.title.lower()} photo", int(view)) for view in View]


class TEETH_OT_look_through(bpy.types.Operator):
    """See the teeth through the camera of a photo, with the photo behind them.

    The render size becomes that of the photo, for the frames to match. The
    occlusal photos show one jaw, so the other is hidden meanwhile.
    """

    bl_idname = "teeth.look_through"
    bl_label = "Look Through Photo"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    view: EnumProperty(name="View", items=_VIEW_ITEMS, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a 3D viewport to look from."""
        fits = context.space_data is not None and context.space_data.type == "VIEW_3D"
        if not fits:
            cls.poll_message_set("Works in a 3D viewport: move the mouse over one")
        return fits

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Aim the scene's camera and look through it."""
        camera = find_photo_camera(context.scene, self.view)
        if camera is None:
            self.report({"ERROR"}, "This case has no camera for that photo. Reconstruct it again.")
            return {"CANCELLED"}
        aim_scene(context.scene, camera)
        show_jaws(context.view_layer, View[self.view].jaws)
        context.space_data.use_local_camera = False
        context.space_data.region_3d.view_perspective = "CAMERA"
        fit_frame(context.area, camera["photo_width"] / camera["photo_height"])
        return {"FINISHED"}


class TEETH_OT_leave_photo(bpy.types.Operator):
    """Look at the teeth of both jaws freely again."""

    bl_idname = "teeth.leave_photo"
    bl_label = "Leave Photo"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One looks through a photo, or a jaw is still hidden from that."""
        space = context.space_data
        looks = space is not None and space.type == "VIEW_3D" and space.region_3d.view_perspective == "CAMERA"
        return looks or hides_a_jaw(context.view_layer)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Back to the free view of both jaws."""
        show_jaws(context.view_layer, tuple(Jaw))
        if context.space_data.region_3d.view_perspective == "CAMERA":
            context.space_data.region_3d.view_perspective = "PERSP"
        return {"FINISHED"}


class TEETH_OT_select_tooth(bpy.types.Operator):
    """Select this tooth and show what is known about it."""

    bl_idname = "teeth.select_tooth"
    bl_label = "Select Tooth"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    fdi: IntProperty(name="FDI", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the tooth the active object."""
        context.scene.teethscape.active_tooth = self.fdi
        for item in context.selected_objects:
            item.select_set(False)
        tooth = find_tooth(context.scene, self.fdi)
        if tooth is not None and not tooth.hide_viewport:
            tooth.select_set(True)
            context.view_layer.objects.active = tooth
        return {"FINISHED"}


class TEETH_OT_add_known_length(bpy.types.Operator):
    """Add a length that was measured on the patient or on a cast."""

    bl_idname = "teeth.add_known_length"
    bl_label = "Add Known Length"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add a line for the tooth that is shown, with the width that is to be corrected."""
        fdi, result = shown_tooth(context), result_of(context.scene)
        length = context.scene.teethscape.known_lengths.add()
        length.teeth = str(fdi)
        if result is not None and fdi in result.teeth and result.teeth[fdi].width_mm:
            length.mm = result.teeth[fdi].width_mm
        return {"FINISHED"}


class TEETH_OT_remove_known_length(bpy.types.Operator):
    """Remove this length."""

    bl_idname = "teeth.remove_known_length"
    bl_label = "Remove Known Length"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    index: IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the line."""
        context.scene.teethscape.known_lengths.remove(self.index)
        return {"FINISHED"}


class TEETH_OT_use_millimetres(bpy.types.Operator):
    """Let this scene's rulers and fields show millimetres; 1 Blender unit is 1 mm."""

    bl_idname = "teeth.use_millimetres"
    bl_label = "Use Millimetres"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The scene shows something else."""
        if shows_millimetres(context.scene):
            cls.poll_message_set("This scene shows millimetres already")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the units, because the user asked."""
        use_millimetres(context.scene)
        return {"FINISHED"}


classes = (
    TEETH_OT_look_through,
    TEETH_OT_leave_photo,
    TEETH_OT_select_tooth,
    TEETH_OT_add_known_length,
    TEETH_OT_remove_known_length,
    TEETH_OT_use_millimetres,
)
