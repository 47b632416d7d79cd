"""Panel *Dataset*: what to render, where to, how large; start, watch, cancel, continue."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy

from ..backend.client import JobState, JobView
from ..properties import TEETH_PG_dataset
from ..session.dataset import why_not
from ..session.view_state import state
from .base import TeethPanel, clock, draw_problem, draw_running, size_text, wrapped

_LISTED = 4


class TEETH_PT_dataset(TeethPanel, bpy.types.Panel):
    """Training data."""

    bl_idname = "TEETH_PT_dataset"
    bl_label = "Dataset"
    bl_order = 9
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the settings or the running job."""
        view = state.dataset
        if view is not None and not view.state.is_over:
            _draw_running(self.layout, context, view)
            return
        settings = context.scene.teethscape.dataset
        _draw_sources(self.layout, settings)
        _draw_pictures(self.layout, settings)
        _draw_start(self.layout, context, settings)
        if view is not None:
            _draw_end(self.layout, context, view)
        _draw_unfinished(self.layout, context)


def _draw_sources(layout: bpy.types.UILayout, settings: TEETH_PG_dataset) -> None:
    row = layout.row(align=True)
    row.operator("teeth.choose_meshes", text="Add Meshes or Folder…", icon="FILE_FOLDER")
    if settings.meshes:
        row.operator("teeth.clear_meshes", text="", icon="TRASH")
    for mesh in settings.meshes[:_LISTED]:
        layout.label(text=place_text(mesh.filepath), icon="MESH_DATA")
    if len(settings.meshes) > _LISTED:
        layout.label(text=f"and {len(settings.meshes) - _LISTED} more", icon="BLANK1")
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(settings, "synthetic")
    column.prop(settings, "output")


def _draw_pictures(layout: bpy.types.UILayout, settings: TEETH_PG_dataset) -> None:
    row = layout.row(align=True)
    row.prop(settings, "normals", toggle=True)
    row.prop(settings, "colors", toggle=True)
    if settings.synthetic:
        row.prop(settings, "photos", toggle=True)
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(settings, "image_size")
    if settings.synthetic and settings.photos:
        column.prop(settings, "photo_width")
    column.prop(settings, "workers")
    column.prop(settings, "samples")
    column.prop(settings, "seed")


def _draw_start(layout: bpy.types.UILayout, context: bpy.types.Context, settings: TEETH_PG_dataset) -> None:
    row = layout.row()
    row.scale_y = 1.4
    row.operator("teeth.render_dataset", icon="RENDER_STILL")
    reason = why_not(settings)
    if reason:
        wrapped(layout, context, reason + ".", "INFO")


def _draw_running(layout: bpy.types.UILayout, context: bpy.types.Context, view: JobView) -> None:
    draw_running(layout, view, "teeth.cancel_dataset")
    _draw_warnings(layout, context, view)


def _draw_end(layout: bpy.types.UILayout, context: bpy.types.Context, view: JobView) -> None:
    if view.state is JobState.DONE:
        wrapped(layout, context, end_text(view), "CHECKMARK")
    elif view.state is JobState.CANCELLED:
        row = layout.row()
        row.label(text="Cancelled", icon="INFO")
        row.operator("teeth.resume_dataset", icon="PLAY").job = view.id
    elif view.problem is not None:
        draw_problem(layout.box(), context, view.problem)
        layout.operator("teeth.resume_dataset", icon="FILE_REFRESH").job = view.id
    _draw_warnings(layout, context, view)


def end_text(view: JobView) -> str:
    """What a finished rendering has done."""
    summary = view.summary
    done, skipped, failed = (summary.get(name) or 0 for name in ("done", "skipped", "failed"))
    failed = len(failed) if isinstance(failed, list) else failed
    text = f"{done} cases rendered in {clock(view.elapsed_s)}, {size_text(summary.get('size', 0))}"
    text += f"; {skipped} were there" if skipped else ""
    return text + (f"; {failed} failed" if failed else "")


def _draw_warnings(layout: bpy.types.UILayout, context: bpy.types.Context, view: JobView) -> None:
    for warning in view.warnings[-_LISTED:]:
        wrapped(layout, context, warning.message, "ERROR")


def _draw_unfinished(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    shown = state.dataset.id if state.dataset else None
    for view in state.unfinished_sets:
        if view.id == shown:
            continue
        box = layout.box()
        wrapped(box, context, f"Unfinished: {view.case.name}.", "INFO")
        row = box.row(align=True)
        row.operator("teeth.resume_dataset", icon="PLAY").job = view.id
        row.operator("teeth.discard_dataset", icon="TRASH").job = view.id


def place_text(path: str) -> str:
    """The end of a path, enough to know it by."""
    parts = Path(path).parts
    return "/".join(parts[-2:]) if len(parts) > 2 else path


classes = (TEETH_PT_dataset,)
