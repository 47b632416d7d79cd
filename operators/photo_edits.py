"""Operators that correct a slot: swap, turn, flip, clear."""

from __future__ import annotations

from typing import ClassVar

import bpy
from bpy.props import EnumProperty

from ..backend.teethscape.dental.views import View
from ..photos.thumbnails import shelf

_VIEW_ITEMS = [(view.name, view.title, f"The {view.title.lower()} photo", int(view)) for view in View]
_TURN_ITEMS = [
    ("LEFT", "Turn Left", "A quarter turn counter-clockwise"),
    ("RIGHT", "Turn Right", "A quarter turn clockwise"),
    ("FLIP", "Flip", "Left and right exchanged, as for a photo of a mirror"),
]
_FIELDS = ("filepath", "quarter_turns", "mirrored")


class _SlotOperator:
    """What the operators of one slot share."""

    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    view: EnumProperty(name="View", items=_VIEW_ITEMS, options={"HIDDEN", "SKIP_SAVE"})


class TEETH_OT_swap_photos(_SlotOperator, bpy.types.Operator):
    """Exchange this photo with that of another view."""

    bl_idname = "teeth.swap_photos"
    bl_label = "Swap With"

    other: EnumProperty(name="With", items=_VIEW_ITEMS, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Exchange the two slots."""
        settings = context.scene.teethscape
        one, two = settings.slot(View[self.view]), settings.slot(View[self.other])
        for field in _FIELDS:
            mine, theirs = getattr(one, field), getattr(two, field)
            setattr(one, field, theirs)
            setattr(two, field, mine)
        shelf.refresh(settings)
        return {"FINISHED"}


class TEETH_OT_turn_photo(_SlotOperator, bpy.types.Operator):
    """Turn or flip this photo."""

    bl_idname = "teeth.turn_photo"
    bl_label = "Turn Photo"

    way: EnumProperty(name="Way", items=_TURN_ITEMS, options={"SKIP_SAVE"})

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """The tooltip of the way that a button turns."""
        return {name: text for name, _, text in _TURN_ITEMS}[properties.way]

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Turn what is seen: after a flip the stored turn goes the other way."""
        slot = context.scene.teethscape.slot(View[self.view])
        if self.way == "FLIP":
            slot.mirrored = not slot.mirrored
        else:
            step = 1 if (self.way == "LEFT") != slot.mirrored else -1
            slot.quarter_turns = (slot.quarter_turns + step) % 4
        shelf.refresh(context.scene.teethscape)
        return {"FINISHED"}


class TEETH_OT_clear_photo(_SlotOperator, bpy.types.Operator):
    """Empty this slot; the file stays where it is."""

    bl_idname = "teeth.clear_photo"
    bl_label = "Clear Photo"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Empty the slot."""
        slot = context.scene.teethscape.slot(View[self.view])
        for field in _FIELDS:
            slot.property_unset(field)
        shelf.refresh(context.scene.teethscape)
        return {"FINISHED"}


class TEETH_OT_clear_photos(bpy.types.Operator):
    """Empty all slots, and forget missing teeth and known lengths: they are of that patient.

    The files stay where they are.
    """

    bl_idname = "teeth.clear_photos"
    bl_label = "Clear Photos"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Empty the slots and what was said of the patient."""
        settings = context.scene.teethscape
        settings.absent_teeth = set()
        settings.known_lengths.clear()
        for view in View:
            for field in _FIELDS:
                settings.slot(view).property_unset(field)
        shelf.refresh(settings)
        return {"FINISHED"}


classes = (TEETH_OT_swap_photos, TEETH_OT_turn_photo, TEETH_OT_clear_photo, TEETH_OT_clear_photos)
