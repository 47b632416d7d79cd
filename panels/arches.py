"""What the tooth charts share: names, numbers and the patient's two sides."""

from __future__ import annotations

import bpy

from ..backend.teethscape.dental.fdi import palmer, universal
from ..preferences import preferences

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


def button_text(context: bpy.types.Context, fdi: int) -> str:
    """What fits on a tooth's button: its number, or the last digit in a narrow sidebar."""
    wide = context.region.width / context.preferences.system.ui_scale > _WIDE_PX
    return tooth_label(fdi) if wide else str(fdi % 10)


def draw_midline(row: bpy.types.UILayout, fdi: int) -> None:
    """A gap before the first tooth of the patient's left."""
    if fdi in (21, 31):
        row.separator(factor=0.6)


def draw_sides(layout: bpy.types.UILayout) -> None:
    """Say whose right and left it is, for one looks at the patient."""
    row = layout.row()
    row.active = False
    row.scale_y = 0.7
    row.label(text="Patient's right")
    end = row.row()
    end.alignment = "RIGHT"
    end.label(text="left")
