"""Operators of the Dataset panel: choose meshes, render, cancel, continue, forget."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import CollectionProperty, StringProperty

from ..backend.client import ClientError, JobState
from ..backend.teethscape.protocol import Command
from ..session.dataset import MESH_SUFFIXES, build_request, dataset_is_open, why_not
from ..session.runtime import runtime
from ..session.view_state import state
from .follow import follow, log_progress, stop


class TEETH_OT_choose_meshes(bpy.types.Operator):
    """Choose the meshes of a data set: files, or a folder with everything below it."""

    bl_idname = "teeth.choose_meshes"
    bl_label = "Choose Meshes"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    filter_glob: StringProperty(
        default=";".join(f"*{suffix}" for suffix in MESH_SUFFIXES), options={"HIDDEN", "SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for files or a folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add them to those that were chosen before."""
        meshes = context.scene.teethscape.dataset.meshes
        folder = Path(bpy.path.abspath(self.directory))
        chosen = [folder / file.name for file in self.files if file.name] or [folder]
        known = {mesh.filepath for mesh in meshes}
        for path in chosen:
            if str(path) not in known:
                meshes.add().filepath = str(path)
        return {"FINISHED"}


class TEETH_OT_clear_meshes(bpy.types.Operator):
    """Take all meshes off the list; the files stay."""

    bl_idname = "teeth.clear_meshes"
    bl_label = "Clear Meshes"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Empty the list."""
        context.scene.teethscape.dataset.meshes.clear()
        return {"FINISHED"}


class TEETH_OT_render_dataset(bpy.types.Operator):
    """Render training data in Blenders of their own; this one stays usable."""

    bl_idname = "teeth.render_dataset"
    bl_label = "Render Data Set"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Everything that the job needs is there."""
        reason = why_not(context.scene.teethscape.dataset)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Submit the job; in background mode wait for it."""
        current, request = runtime(), build_request(context.scene.teethscape.dataset)
        try:
            current.dataset_job = current.farm.submit(request, Command.RENDER_DATASET)
        except ClientError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return follow(self, current.farm, current.dataset_job, log_progress)


class TEETH_OT_cancel_dataset(bpy.types.Operator):
    """Stop rendering; finished cases are kept, and the rest can be continued."""

    bl_idname = "teeth.cancel_dataset"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """There is something to stop."""
        return dataset_is_open() and state.dataset.state is not JobState.CANCELLING

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask the engine to stop."""
        current = runtime()
        return stop(current.farm, current.dataset_job)


class TEETH_OT_resume_dataset(bpy.types.Operator):
    """Continue a rendering that was cancelled or interrupted; finished cases are kept."""

    bl_idname = "teeth.resume_dataset"
    bl_label = "Continue"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    job: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """One at a time."""
        if dataset_is_open():
            cls.poll_message_set("A data set is being rendered: wait for it or cancel it")
        return not dataset_is_open()

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Queue the job again."""
        current = runtime()
        try:
            current.dataset_job = current.farm.resume(self.job)
        except ClientError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        state.unfinished_sets = current.farm.unfinished()
        return follow(self, current.farm, current.dataset_job, log_progress)


class TEETH_OT_discard_dataset(bpy.types.Operator):
    """Forget an unfinished rendering; what it has rendered stays on disk."""

    bl_idname = "teeth.discard_dataset"
    bl_label = "Discard"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    job: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Forget it."""
        farm = runtime().farm
        try:
            farm.discard(self.job)
        except (ClientError, OSError) as error:
            self.report({"ERROR"}, f"The job cannot be discarded: {error}")
            return {"CANCELLED"}
        state.unfinished_sets = farm.unfinished()
        return {"FINISHED"}


classes = (
    TEETH_OT_choose_meshes,
    TEETH_OT_clear_meshes,
    TEETH_OT_render_dataset,
    TEETH_OT_cancel_dataset,
    TEETH_OT_resume_dataset,
    TEETH_OT_discard_dataset,
)
