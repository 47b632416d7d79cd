"""Where the user says which teeth the patient does not have."""

from __future__ import annotations

import bpy

from ..backend.teethscape.dental.fdi import Jaw, arch
from .arches import button_text, draw_midline, draw_sides, tooth_label
from .base import wrapped


def draw_section(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """A part that can be opened at any time before the reconstruction."""
    header, body = layout.panel("TEETH_PT_reconstruct_missing", default_closed=True)
    header.label(text=section_title(len(context.scene.teethscape.absent_teeth)))
    if body:
        wrapped(body, context, "Mark teeth that the patient does not have; leave it empty when unsure.")
        _draw_arches(body, context)


def draw_question(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The same chart, open, for a user who must answer before it can go on."""
    wrapped(layout, context, "If teeth are missing, mark them and try again.", "QUESTION")
    _draw_arches(layout, context)


def section_title(marked: int) -> str:
    """The closed part must tell that marks are set: they change the result."""
    return f"Missing Teeth: {marked} marked" if marked else "Missing Teeth"


def _draw_arches(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Both arches, also for one jaw: the other one is seen in the photos from the side, too."""
    absent = context.scene.teethscape.absent_teeth
    column = layout.column(align=True)
    for jaw in Jaw:
        row = column.row(align=True)
        for fdi in arch(jaw):
            draw_midline(row, fdi)
            text = button_text(context, fdi)
            row.operator("teeth.toggle_absent", text=text, depress=fdi in absent).fdi = fdi
    draw_sides(layout)
    marked = [tooth_label(fdi) for jaw in Jaw for fdi in arch(jaw) if fdi in absent]
    if marked:  # a narrow sidebar has no room for whole numbers on the buttons
        wrapped(layout, context, f"Missing: {', '.join(marked)}")
