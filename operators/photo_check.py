"""Operator that lets the engine look at the photos: views, quality."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..backend.client import ClientError, JobState
from ..backend.teethscape.protocol import Command
from ..session import ticker
from ..session.photo_check import check_request, slots_key, why_not
from ..session.runtime import runtime
from ..session.view_state import state


class TEETH_OT_check_photos(bpy.types.Operator):
    """Let the engine tell which view each photo shows and whether it is good enough."""

    bl_idname = "teeth.check_photos"
    bl_label = "Check Photos"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """All photos and an engine are there."""
        reason = why_not(context.scene.teethscape)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Submit the job; in background mode wait for it."""
        current, settings = runtime(), context.scene.teethscape
        try:
            current.check_job = current.reader.submit(check_request(settings), Command.CHECK_PHOTOS)
        except ClientError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        state.checked = slots_key(settings)
        if not bpy.app.background:
            ticker.refresh()
            ticker.start()
            return {"FINISHED"}
        view = current.reader.wait(current.check_job)
        ticker.refresh()
        if view.state is JobState.DONE:
            return {"FINISHED"}
        words = f"{view.problem.message} {view.problem.advice}" if view.problem else "Cancelled."
        self.report({"ERROR"}, words)
        return {"CANCELLED"}


classes = (TEETH_OT_check_photos,)
