"""Operators of the job: start, cancel, continue, discard, open a case."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import BoolProperty, StringProperty

from ..backend.client import ClientError, JobState
from ..backend.teethscape.errors import TeethscapeError
from ..session.readiness import job_is_open, why_not
from ..session.refusal import case_for
from ..session.request import are_photos_of, build_request, take_over
from ..session.result import result_of, show_case
from ..session.runtime import runtime
from ..session.view_state import state
from .follow import follow, log_progress, stop


class TEETH_OT_reconstruct(bpy.types.Operator):
    """Reconstruct upper and lower teeth from the photos; Blender stays usable."""

    bl_idname = "teeth.reconstruct"
    bl_label = "Reconstruct Teeth"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    into_result: BoolProperty(
        name="Again", description="Write into the case that is shown; finished stages are kept",
        options={"HIDDEN", "SKIP_SAVE"},
    )  # fmt: skip

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Everything that the job needs is there."""
        reason = why_not(context.scene.teethscape)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Submit the job; in background mode wait for it."""
        settings = context.scene.teethscape
        folder, shown = settings.result_folder if self.into_result else "", result_of(context.scene)
        if folder and shown is not None and not are_photos_of(settings, shown.case):
            self.report({"ERROR"}, "The loaded photos are not those of this case: load these in Photos.")
            return {"CANCELLED"}
        output = Path(folder) if folder else case_for(settings)
        try:
            current = runtime()
            current.aim_at(context.scene)
            current.job = current.client.submit(build_request(settings, output))
        except ClientError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return follow(self, current.client, current.job, log_progress)


class TEETH_OT_cancel_job(bpy.types.Operator):
    """Stop the reconstruction; finished stages are kept for later."""

    bl_idname = "teeth.cancel_job"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """There is something to stop."""
        return job_is_open() and state.job.state is not JobState.CANCELLING

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask the engine to stop."""
        current = runtime()
        return stop(current.client, current.job)


class TEETH_OT_resume_job(bpy.types.Operator):
    """Continue a job that was cancelled or interrupted, as it was asked for; finished stages are kept."""

    bl_idname = "teeth.resume_job"
    bl_label = "Continue"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    job: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """One job at a time."""
        if job_is_open():
            cls.poll_message_set("A reconstruction is running: wait for it or cancel it")
        return not job_is_open()

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Queue the job again."""
        current = runtime()
        try:
            current.job = current.client.resume(self.job)
        except ClientError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        current.aim_at(context.scene)
        state.unfinished = current.client.unfinished()
        return follow(self, current.client, current.job, log_progress)


class TEETH_OT_discard_job(bpy.types.Operator):
    """Forget an unfinished job; its case folder stays on disk."""

    bl_idname = "teeth.discard_job"
    bl_label = "Discard"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    job: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Forget it."""
        client = runtime().client
        try:
            client.discard(self.job)
        except (ClientError, OSError) as error:
            self.report({"ERROR"}, f"The job cannot be discarded: {error}")
            return {"CANCELLED"}
        state.unfinished = client.unfinished()
        return {"FINISHED"}


class TEETH_OT_open_case(bpy.types.Operator):
    """Show a case folder that was reconstructed before."""

    bl_idname = "teeth.open_case"
    bl_label = "Open Case"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    directory: StringProperty(name="Case Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for the folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Build the case in this scene."""
        try:
            built = show_case(context.scene, Path(bpy.path.abspath(self.directory)))
            take_over(context.scene.teethscape, result_of(context.scene).case.request)
        except TeethscapeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{len(built.teeth)} teeth and {len(built.cameras)} photo cameras")
        return {"FINISHED"}


classes = (
    TEETH_OT_reconstruct,
    TEETH_OT_cancel_job,
    TEETH_OT_resume_job,
    TEETH_OT_discard_job,
    TEETH_OT_open_case,
)
