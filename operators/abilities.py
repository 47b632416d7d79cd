"""Operator that asks the engine which engines and surface methods it can use."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..backend.client import ClientError
from ..backend.teethscape.protocol import Command
from ..session.asking import question, why_not_ask
from ..session.runtime import runtime
from .follow import follow


class TEETH_OT_list_engines(bpy.types.Operator):
    """Ask which engines and surface methods are installed, and what the others lack."""

    bl_idname = "teeth.list_engines"
    bl_label = "Look What Is Installed"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """There is an engine to ask."""
        reason = why_not_ask()
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask."""
        current = runtime()
        try:
            current.asking_job = current.loader.submit(question(), Command.ABILITIES)
        except ClientError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return follow(self, current.loader, current.asking_job)


classes = (TEETH_OT_list_engines,)
