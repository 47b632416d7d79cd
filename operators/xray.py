"""Operators of the X-Ray panel: choose the files, segment, cancel, show the overlay."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import StringProperty

from ..backend.client import ClientError, JobState
from ..backend.teethscape.protocol import Command
from ..session.runtime import runtime
from ..session.view_state import state
from ..session.xray import build_request, overlay_of, show_overlay, why_not, xray_is_open
from .follow import follow, stop


class TEETH_OT_choose_xray(bpy.types.Operator):
    """Choose a panoramic X-ray."""

    bl_idname = "teeth.choose_xray"
    bl_label = "Choose X-Ray"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remember it."""
        if not Path(bpy.path.abspath(self.filepath)).is_file():
            self.report({"ERROR"}, "Choose a picture file")
            return {"CANCELLED"}
        context.scene.teethscape.xray.picture = self.filepath
        return {"FINISHED"}


class TEETH_OT_segment_xray(bpy.types.Operator):
    """Find the teeth in the X-ray with the network that you trained."""

    bl_idname = "teeth.segment_xray"
    bl_label = "Segment X-Ray"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Everything that the job needs is there."""
        reason = why_not(context.scene.teethscape.xray)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Submit the job; in background mode wait for it."""
        current, request = runtime(), build_request(context.scene.teethscape.xray)
        try:
            current.xray_job = current.reader.submit(request, Command.SEGMENT_XRAY)
        except ClientError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return follow(self, current.reader, current.xray_job)


class TEETH_OT_cancel_xray(bpy.types.Operator):
    """Stop segmenting the X-ray."""

    bl_idname = "teeth.cancel_xray"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """There is something to stop."""
        return xray_is_open() and state.xray.state is not JobState.CANCELLING

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask the engine to stop."""
        current = runtime()
        return stop(current.reader, current.xray_job)


class TEETH_OT_show_xray(bpy.types.Operator):
    """Show the X-ray with its teeth in an Image Editor; opens one when there is none."""

    bl_idname = "teeth.show_xray"
    bl_label = "Show Overlay"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """An X-ray has been segmented."""
        return overlay_of(state.xray) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show it where there is an Image Editor, else in a window of its own."""
        path = overlay_of(state.xray)
        if path is None or not path.is_file():
            self.report({"ERROR"}, "The overlay is gone: segment the X-ray again")
            return {"CANCELLED"}
        if not show_overlay(path) and not bpy.app.background:
            bpy.ops.wm.window_new()
            context.window_manager.windows[-1].screen.areas[0].type = "IMAGE_EDITOR"
            show_overlay(path)
        return {"FINISHED"}


classes = (
    TEETH_OT_choose_xray,
    TEETH_OT_segment_xray,
    TEETH_OT_cancel_xray,
    TEETH_OT_show_xray,
)
