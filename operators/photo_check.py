"""Operator that lets the engine look at the photos: views, quality."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..backend.client import ClientError
from ..backend.teethscape.protocol import Command
from ..session.photo_check import check_request, slots_key, why_not
from ..session.runtime import runtime
from ..session.view_state import state
from .follow import follow


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
        return follow(self, current.reader, current.check_job)


classes = (TEETH_OT_check_photos,)
