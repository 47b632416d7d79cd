"""What the panels of the tab share."""

from __future__ import annotations

import textwrap

import bpy

from ..backend.client import JobView, Problem

#: Mean width of a letter in the sidebar at scale 1, px.
_LETTER_PX = 6.6
_MARGIN_PX = 52
#: Side of an icon at scale 1, px.
_UNIT_PX = 20


class TeethPanel:
    """A panel of the sidebar tab **Teeth**."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Teeth"


def wrapped(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE") -> None:
    """A sentence over as many lines as the sidebar's width needs."""
    scale = context.preferences.system.ui_scale
    letters = max(18, int((context.region.width / scale - _MARGIN_PX) / _LETTER_PX))
    column = layout.column(align=True)
    column.scale_y = 0.85
    for k, line in enumerate(textwrap.wrap(text, letters)):
        column.label(text=line, icon=icon if k == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def fitting_scale(context: bpy.types.Context) -> float:
    """Scale of a square picture that is as wide as the sidebar."""
    return max(6.0, (context.region.width / context.preferences.system.ui_scale - _MARGIN_PX) / _UNIT_PX)


def draw_running(layout: bpy.types.UILayout, view: JobView, cancel: str) -> None:
    """What a running job does, how far it is, and the operator that stops it."""
    layout.label(text=view.message or "Starting the engine")
    layout.progress(text=f"{100 * view.overall:.0f} %", factor=view.overall)
    row = layout.row()
    row.label(text=clock(view.elapsed_s), icon="TIME")
    row.operator(cancel, icon="CANCEL")


def draw_problem(layout: bpy.types.UILayout, context: bpy.types.Context, problem: Problem) -> None:
    """What went wrong, and what to do."""
    wrapped(layout, context, problem.message, "ERROR")
    if problem.advice:
        wrapped(layout, context, problem.advice, "LIGHT")


def deviation(value: float, digits: int, unit: str) -> str:
    """A standard deviation such as ``± 0.5 mm``; its spaces do not break."""
    return f"±\u00a0{value:.{digits}f}\u00a0{unit}"


def clock(seconds: float) -> str:
    """Elapsed time as ``1:05``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def size_text(count: int) -> str:
    """Bytes as people read them."""
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
