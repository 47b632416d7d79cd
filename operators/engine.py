"""Operators of the engine: install, cancel, remove; copy what went wrong."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import bpy

from ..backend.client import ClientError
from ..backend.client.install_plan import Source
from ..backend.client.installer import EngineStatus
from ..preferences import preferences
from ..session import ticker
from ..session.dataset import dataset_is_open
from ..session.readiness import job_is_open
from ..session.runtime import Task, runtime
from ..session.view_state import state
from ..session.weights import weights_is_open
from ..session.xray import xray_is_open


def _is_working() -> bool:
    return state.engine is not None and state.engine.status is EngineStatus.WORKING


class _EngineOperator:
    """What install and remove share."""

    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """The engine stands still."""
        if _is_working() or job_is_open() or dataset_is_open() or xray_is_open() or weights_is_open():
            cls.poll_message_set("The engine is busy: wait until it has finished, or cancel")
            return False
        return True


class TEETH_OT_install_engine(_EngineOperator, bpy.types.Operator):
    """Install the engine into a folder of its own; Blender stays usable."""

    bl_idname = "teeth.install_engine"
    bl_label = "Install Engine"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Begin; in background mode wait for the end."""
        chosen, current = preferences(), runtime()
        wheels = Path(bpy.path.abspath(chosen.wheels)) if chosen.wheels else None
        for engine in current.engines:
            engine.stop()
        current.settle()
        try:
            plan = current.installer.plan(Source(chosen.source.lower()), wheels, bpy.app.online_access)
            current.installer.install(plan)
        except ClientError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        current.task = Task.INSTALL
        state.abilities = None  # what the engine has by then, it will tell
        return _follow(self)


class TEETH_OT_cancel_install(bpy.types.Operator):
    """Stop the installation; nothing half-made counts as installed."""

    bl_idname = "teeth.cancel_install"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask the installer to stop."""
        runtime().installer.cancel()
        return {"FINISHED"}


class TEETH_OT_remove_engine(_EngineOperator, bpy.types.Operator):
    """Delete the engine, its caches and its job list; cases and photos stay."""

    bl_idname = "teeth.remove_engine"
    bl_label = "Remove Engine"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Begin to delete."""
        current = runtime()
        for engine in current.engines:
            engine.shutdown(timeout_s=5.0)
        current.settle()
        try:
            current.installer.remove()
        except ClientError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        current.task = Task.REMOVE
        state.abilities = None
        return _follow(self)


def _follow(operator: bpy.types.Operator) -> set[str]:
    """Watch the installer: by the timer, or here when there are no timers."""
    if not bpy.app.background:
        ticker.refresh()
        ticker.start()
        return {"FINISHED"}
    view = runtime().installer.wait()
    ticker.refresh()
    if view.problem is not None:
        operator.report({"ERROR"}, f"{view.problem.message} {view.problem.advice}")
        return {"CANCELLED"}
    return {"FINISHED"}


class TEETH_OT_copy_problem(bpy.types.Operator):
    """Copy what went wrong, with its details, for a report."""

    bl_idname = "teeth.copy_problem"
    bl_label = "Copy Details"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put the problem into the clipboard."""
        problem = state.job.problem if state.job else None
        if problem is None and state.engine is not None:
            problem = state.engine.problem
        if problem is None:
            return {"CANCELLED"}
        context.window_manager.clipboard = json.dumps(asdict(problem), indent=1)
        self.report({"INFO"}, "Copied")
        return {"FINISHED"}


classes = (TEETH_OT_install_engine, TEETH_OT_cancel_install, TEETH_OT_remove_engine, TEETH_OT_copy_problem)
