"""Panel *Reconstruct*: start, watch, cancel, continue."""

from __future__ import annotations

import bpy

from ..backend.client import JobState, JobView, Problem
from ..backend.teethscape.progress import Stage
from ..properties import TEETH_PG_scene
from ..session.readiness import why_not
from ..session.refusal import asks_for_missing_teeth
from ..session.unfinished import unfinished
from ..session.view_state import state
from . import method, missing
from .base import TeethPanel, clock, draw_problem, fitting_scale, wrapped


class TEETH_PT_reconstruct(TeethPanel, bpy.types.Panel):
    """The reconstruction."""

    bl_idname = "TEETH_PT_reconstruct"
    bl_label = "Reconstruct"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the button or the running job."""
        view = state.job
        if view is not None and not view.state.is_over:
            _draw_running(self.layout, context, view)
        else:
            _draw_start(self.layout, context)
            if view is not None:
                _draw_end(self.layout, context, view)
        _draw_unfinished(self.layout, context)


def _draw_start(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    settings = context.scene.teethscape
    row = layout.row()
    row.scale_y = 1.7
    row.operator("teeth.reconstruct", icon="PLAY")
    reason = why_not(settings)
    if reason:
        wrapped(layout, context, reason + ".", "INFO")
    if not asks_for_missing_teeth():  # then the chart stands below the problem
        missing.draw_section(layout, context)
    method.draw_section(layout, context)
    _draw_options(layout, settings)


def _draw_options(layout: bpy.types.UILayout, settings: TEETH_PG_scene) -> None:
    header, body = layout.panel("TEETH_PT_reconstruct_options", default_closed=True)
    header.label(text="Options")
    if body:
        column = body.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(settings, "case_folder")
        column.prop(settings, "masks_folder")
        if settings.masks_folder:
            column.prop(settings, "mask_values")
        column.prop(settings, "seed")


def _draw_running(layout: bpy.types.UILayout, context: bpy.types.Context, view: JobView) -> None:
    layout.label(text=view.message or stage_label(view.stage) or "Starting the engine")
    layout.progress(text=f"{100 * view.overall:.0f} %", factor=view.overall)
    row = layout.row()
    memory = f" · {view.rss_bytes / 1e9:.1f} GB" if view.rss_bytes else ""
    row.label(text=f"{clock(view.elapsed_s)}{memory}", icon="TIME")
    row.operator("teeth.cancel_job", icon="CANCEL")
    _draw_views(layout, context)
    if view.silent:
        wrapped(
            layout, context, f"No sign of life for {view.silence_s:.0f} s. You may wait or cancel.", "ERROR"
        )
    _draw_warnings(layout, context, view)


def _draw_views(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The unfinished views of the jaw that is painted, as wide as the sidebar."""
    if not unfinished.jaw:
        return
    layout.label(text=f"Unfinished views, {unfinished.jaw} jaw", icon="IMAGE_DATA")
    layout.template_icon(unfinished.icon, scale=fitting_scale(context))


def _draw_end(layout: bpy.types.UILayout, context: bpy.types.Context, view: JobView) -> None:
    if view.state is JobState.DONE:
        layout.label(text=f"Done in {clock(view.elapsed_s)}", icon="CHECKMARK")
        if reason := state.unreadable.get(view.case):
            wrapped(layout, context, f"The teeth cannot be shown. {reason}", "ERROR")
        return  # what there is to know stands with the result
    if view.state is JobState.CANCELLED:
        row = layout.row()
        row.label(text="Cancelled", icon="INFO")
        row.operator("teeth.resume_job", icon="PLAY").job = view.id
    elif view.problem is not None:
        _draw_problem(layout.box(), context, view.problem)
        if view.problem.retryable or view.state is JobState.INTERRUPTED:
            layout.operator("teeth.resume_job", icon="FILE_REFRESH").job = view.id
        if asks_for_missing_teeth():
            missing.draw_question(layout, context)
    _draw_warnings(layout, context, view)


def _draw_problem(layout: bpy.types.UILayout, context: bpy.types.Context, problem: Problem) -> None:
    draw_problem(layout, context, problem)
    layout.operator("teeth.copy_problem", icon="COPYDOWN")


def _draw_warnings(layout: bpy.types.UILayout, context: bpy.types.Context, view: JobView) -> None:
    for warning in view.warnings:
        wrapped(layout, context, warning.message, "INFO")


def _draw_unfinished(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    shown = state.job.id if state.job else None
    for view in state.unfinished:
        if view.id == shown:
            continue
        box = layout.box()
        wrapped(
            box,
            context,
            f"Unfinished: {view.case.name} stopped at: {stage_label(view.stage) or 'start'}.",
            "INFO",
        )
        row = box.row(align=True)
        row.operator("teeth.resume_job", icon="PLAY").job = view.id
        row.operator("teeth.discard_job", icon="TRASH").job = view.id


def stage_label(name: str) -> str:
    """A stage's name as the user reads it; unknown ones as they are."""
    try:
        return Stage(name).label
    except ValueError:
        return name


classes = (TEETH_PT_reconstruct,)
