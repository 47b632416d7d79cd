"""The tooth chart: one button per tooth, coloured by confidence."""

from __future__ import annotations

import bpy

from ..backend.teethscape.dental.fdi import Jaw, arch, palmer, universal
from ..preferences import preferences
from ..scene.find import shown_tooth
from ..session.view_state import ResultView
from . import icons

_NAMES = {
    1: "central incisor", 2: "lateral incisor", 3: "canine", 4: "first premolar",
    5: "second premolar", 6: "first molar", 7: "second molar", 8: "third molar",
}  # fmt: skip
_QUADRANTS = {1: "Upper right", 2: "Upper left", 3: "Lower left", 4: "Lower right"}
#: Narrower than this, px at scale 1, buttons show the last digit alone.
_WIDE_PX = 400


def tooth_name(fdi: int) -> str:
    """Such as ``Upper right central incisor``."""
    return f"{_QUADRANTS[fdi // 10]} {_NAMES[fdi % 10]}"


def tooth_label(fdi: int) -> str:
    """The tooth's number in the notation that the user prefers."""
    notation = preferences().notation
    if notation == "UNIVERSAL":
        return str(universal(fdi))
    return palmer(fdi) if notation == "PALMER" else str(fdi)


def draw_chart(layout: bpy.types.UILayout, context: bpy.types.Context, result: ResultView) -> None:
    """Draw both arches, the patient's right on the left, as one faces the patient."""
    absent = context.scene.teethscape.absent_teeth
    wide = context.region.width / context.preferences.system.ui_scale > _WIDE_PX
    column = layout.column(align=True)
    for jaw in Jaw:
        if any(fdi in result.teeth for fdi in arch(jaw)):
            rows = (_draw_dots, _draw_numbers) if jaw is Jaw.UPPER else (_draw_numbers, _draw_dots)
            for draw in rows:
                draw(column, context, _Arch(arch(jaw), result, absent, wide))
    _draw_sides(layout)


def _draw_sides(layout: bpy.types.UILayout) -> None:
    """Say whose right and left it is, for one looks at the patient."""
    row = layout.row()
    row.active = False
    row.scale_y = 0.7
    row.label(text="Patient's right")
    end = row.row()
    end.alignment = "RIGHT"
    end.label(text="left")


def _midline(row: bpy.types.UILayout, fdi: int) -> None:
    """A gap before the first tooth of the patient's left."""
    if fdi in (21, 31):
        row.separator(factor=0.6)


class _Arch:
    """What a row of the chart needs to know."""

    def __init__(self, teeth: tuple[int, ...], result: ResultView, absent: set[int], wide: bool) -> None:
        self.teeth, self.result, self.absent, self.wide = teeth, result, absent, wide

    def confidence(self, fdi: int) -> icons.Confidence:
        record = self.result.teeth.get(fdi)
        if record is None or not record.present or fdi in self.absent:
            return icons.Confidence.ABSENT
        return icons.Confidence.of(record.confidence)


def _draw_dots(column: bpy.types.UILayout, _context: bpy.types.Context, row_of: _Arch) -> None:
    row = column.row(align=True)
    row.scale_y = 0.7
    for fdi in row_of.teeth:
        _midline(row, fdi)
        cell = row.row()
        cell.alignment = "CENTER"
        cell.label(text="", icon_value=icons.dot(row_of.confidence(fdi)))


def _draw_numbers(column: bpy.types.UILayout, context: bpy.types.Context, row_of: _Arch) -> None:
    row = column.row(align=True)
    active = shown_tooth(context)
    for fdi in row_of.teeth:
        _midline(row, fdi)
        cell = row.row(align=True)
        cell.active = row_of.confidence(fdi) is not icons.Confidence.ABSENT
        text = tooth_label(fdi) if row_of.wide else str(fdi % 10)
        cell.operator("teeth.select_tooth", text=text, depress=fdi == active).fdi = fdi
