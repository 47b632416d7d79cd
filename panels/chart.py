"""The tooth chart: one button per tooth, coloured by confidence."""

from __future__ import annotations

import bpy

from ..backend.teethscape.dental.fdi import Jaw, arch
from ..scene.find import shown_tooth
from ..session.view_state import ResultView
from . import icons
from .arches import button_text, draw_midline, draw_sides


def draw_chart(layout: bpy.types.UILayout, context: bpy.types.Context, result: ResultView) -> None:
    """Draw both arches, the patient's right on the left, as one faces the patient."""
    absent = context.scene.teethscape.absent_teeth
    column = layout.column(align=True)
    for jaw in Jaw:
        if any(fdi in result.teeth for fdi in arch(jaw)):
            rows = (_draw_dots, _draw_numbers) if jaw is Jaw.UPPER else (_draw_numbers, _draw_dots)
            for draw in rows:
                draw(column, context, _Arch(arch(jaw), result, absent))
    draw_sides(layout)


class _Arch:
    """What a row of the chart needs to know."""

    def __init__(self, teeth: tuple[int, ...], result: ResultView, absent: set[int]) -> None:
        self.teeth, self.result, self.absent = teeth, result, absent

    def confidence(self, fdi: int) -> icons.Confidence:
        record = self.result.teeth.get(fdi)
        if record is None or not record.present or fdi in self.absent:
            return icons.Confidence.ABSENT
        return icons.Confidence.of(record.confidence)


def _draw_dots(column: bpy.types.UILayout, _context: bpy.types.Context, row_of: _Arch) -> None:
    row = column.row(align=True)
    row.scale_y = 0.7
    for fdi in row_of.teeth:
        draw_midline(row, fdi)
        cell = row.row()
        cell.alignment = "CENTER"
        cell.label(text="", icon_value=icons.dot(row_of.confidence(fdi)))


def _draw_numbers(column: bpy.types.UILayout, context: bpy.types.Context, row_of: _Arch) -> None:
    row = column.row(align=True)
    active = shown_tooth(context)
    for fdi in row_of.teeth:
        draw_midline(row, fdi)
        cell = row.row(align=True)
        cell.active = row_of.confidence(fdi) is not icons.Confidence.ABSENT
        text = button_text(context, fdi)
        cell.operator("teeth.select_tooth", text=text, depress=fdi == active).fdi = fdi
