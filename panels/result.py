"""Panel *Result*: chart, views, uncertainty, scale, export."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..backend.teethscape.dental.views import View
from ..scene.collections import hides_a_jaw
from ..scene.find import find_tooth, shown_tooth
from ..scene.heatmap import FULL_SCALE_MM, STOPS
from ..scene.units import shows_millimetres
from ..session.result import result_of, why_not_shown
from ..session.view_state import ResultView
from . import icons
from .arches import tooth_label, tooth_name
from .base import TeethPanel, deviation, wrapped
from .chart import draw_chart

_SHORT = {
    View.ANTERIOR: "Anterior", View.LEFT_BUCCAL: "Left", View.RIGHT_BUCCAL: "Right",
    View.MAXILLARY_OCCLUSAL: "Maxillary", View.MANDIBULAR_OCCLUSAL: "Mandibular",
}  # fmt: skip
#: More notices than this would push the chart out of sight; the others are shown when asked for.
_NOTICES = 6
_SCALE_TEXTS = {
    "estimated": "Estimated from mean tooth sizes",
    "known_length": "From known lengths",
}


class TEETH_PT_result(TeethPanel, bpy.types.Panel):
    """The reconstructed teeth."""

    bl_idname = "TEETH_PT_result"
    bl_label = "Result"
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the case's name, or how to get one."""
        result = result_of(context.scene)
        if reason := why_not_shown(context.scene):
            wrapped(self.layout, context, f"The case of this scene cannot be read. {reason}", "ERROR")
        elif result is None:
            wrapped(self.layout, context, "No result yet. Reconstruct teeth, or open a case folder.", "INFO")
        else:
            self.layout.label(text=result.case.identifier, icon="FILE_FOLDER")
            _draw_notices(self.layout, context, result.case.notices)
        self.layout.operator("teeth.open_case", text="Open Case…", icon="FILEBROWSER")


def _draw_notices(layout: bpy.types.UILayout, context: bpy.types.Context, notices: tuple[str, ...]) -> None:
    """What the engine wants the user to know; the last of many in a section of their own."""
    for notice in notices[:_NOTICES]:
        wrapped(layout, context, notice, "INFO")
    if rest := notices[_NOTICES:]:
        header, body = layout.panel("TEETH_PT_result_notices", default_closed=True)
        header.label(text=f"{len(rest)} More {'Note' if len(rest) == 1 else 'Notes'}")
        for notice in rest if body else ():
            wrapped(body, context, notice, "INFO")


class _ResultChild(TeethPanel):
    """A part of the result; hidden while there is none."""

    bl_parent_id = "TEETH_PT_result"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a result."""
        return result_of(context.scene) is not None


class TEETH_PT_chart(_ResultChild, bpy.types.Panel):
    """Tooth chart."""

    bl_idname = "TEETH_PT_chart"
    bl_label = "Teeth"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the chart and the active tooth."""
        result = result_of(context.scene)
        draw_chart(self.layout, context, result)
        _draw_tooth(self.layout.box().column(align=True), context, result)


def _draw_tooth(column: bpy.types.UILayout, context: bpy.types.Context, result: ResultView) -> None:
    """What is known about the active tooth."""
    fdi = shown_tooth(context)
    column.label(text=f"{tooth_label(fdi)} · {tooth_name(fdi)}")
    record, tooth = result.teeth.get(fdi), find_tooth(context.scene, fdi)
    if record is None or tooth is None:
        marked = fdi in context.scene.teethscape.absent_teeth
        column.label(text="Marked as missing" if marked else "Not found in the photos", icon="INFO")
        if marked:
            column.operator("teeth.toggle_absent", text="Look for It Again").fdi = fdi
        return
    row = column.row()
    row.prop(tooth.teethscape, "present")
    dot = icons.dot(icons.Confidence.of(record.confidence))
    row.label(text=sureness(record.confidence), icon_value=dot)
    if record.width_mm:
        column.label(text=f"Width {record.width_mm:.1f} {deviation(record.width_sigma_mm, 1, 'mm')}")
    column.label(text=f"Surface {deviation(record.sigma_mm, 2, 'mm')}")
    seen = [_SHORT[view].lower() for view in View if view.slug in record.seen_in]
    column.label(text="Seen in " + ", ".join(seen) if seen else "Seen in no photo")


def sureness(confidence: float) -> str:
    """A confidence in words; nothing that photos tell is wholly sure."""
    return "> 99 % sure" if confidence > 0.99 else f"{100 * confidence:.0f} % sure"


class TEETH_PT_views(_ResultChild, bpy.types.Panel):
    """Look through the photos."""

    bl_idname = "TEETH_PT_views"
    bl_label = "Look Through Photo"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw a button per photo."""
        settings = context.scene.teethscape
        current = _current_view(context)
        column = self.layout.column(align=True)
        for views in ((View.RIGHT_BUCCAL, View.ANTERIOR, View.LEFT_BUCCAL), tuple(View)[3:]):
            row = column.row(align=True)
            for view in views:
                row.operator(
                    "teeth.look_through", text=_SHORT[view], depress=view.name == current
                ).view = view.name
        self.layout.prop(settings, "photo_display", expand=True)
        self.layout.prop(settings, "photo_colours", text="Photo Colours on Teeth", icon="COLOR", toggle=True)
        if current or hides_a_jaw(context.view_layer):
            self.layout.operator("teeth.leave_photo", icon="LOOP_BACK")


def _current_view(context: bpy.types.Context) -> str:
    region = context.space_data.region_3d
    camera = context.scene.camera
    looking = region.view_perspective == "CAMERA" and camera and camera.teethscape.kind == "PHOTO_CAMERA"
    return camera.teethscape.view if looking else ""


class TEETH_PT_uncertainty(_ResultChild, bpy.types.Panel):
    """Heat map of the standard deviation."""

    bl_idname = "TEETH_PT_uncertainty"
    bl_label = "Uncertainty"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the switch and the legend."""
        settings = context.scene.teethscape
        self.layout.prop(settings, "heat_map", text="Show Heat Map", icon="SHADING_RENDERED", toggle=True)
        if settings.heat_map:
            row = self.layout.row(align=True)
            row.alignment = "CENTER"
            row.label(text="0 mm")
            for k in range(len(STOPS)):
                row.label(text="", icon_value=icons.swatch(k))
            row.label(text=f"{FULL_SCALE_MM:g} mm")
            wrapped(self.layout, context, "Standard deviation of the surface; paler where no photo shows it")


class TEETH_PT_scale(_ResultChild, bpy.types.Panel):
    """Where the millimetres come from."""

    bl_idname = "TEETH_PT_scale"
    bl_label = "Scale"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the source, known lengths and the button that applies them."""
        layout, settings = self.layout, context.scene.teethscape
        scale = result_of(context.scene).case.scale
        known = scale.source != "estimated"
        text = _SCALE_TEXTS.get(scale.source, scale.source)
        text += f", {deviation(100 * scale.relative_sigma, 1, '%')}"
        wrapped(layout, context, text, "CHECKMARK" if known else "INFO")
        for k, length in enumerate(settings.known_lengths):
            row = layout.row(align=True)
            row.prop(length, "teeth", text="")
            row.prop(length, "mm", text="mm")
            row.operator("teeth.remove_known_length", text="", icon="X").index = k
        layout.operator("teeth.add_known_length", icon="ADD")
        if settings.known_lengths or known:  # taking the last one away wants applying too
            layout.operator(
                "teeth.reconstruct", text="Apply to This Case", icon="FILE_REFRESH"
            ).into_result = True
        if not shows_millimetres(context.scene):
            wrapped(layout, context, "1 Blender unit is 1 mm, but this scene shows other units.", "INFO")
            layout.operator("teeth.use_millimetres")


class TEETH_PT_export(_ResultChild, bpy.types.Panel):
    """Export."""

    bl_idname = "TEETH_PT_export"
    bl_label = "Export"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the export buttons."""
        row = self.layout.row(align=True)
        for mesh_format in ("stl", "ply", "obj"):
            row.operator("teeth.export", text=mesh_format.upper()).mesh_format = mesh_format
        wrapped(self.layout, context, "Research and visualisation only; not a medical device.", "INFO")


classes = (
    TEETH_PT_result,
    TEETH_PT_chart,
    TEETH_PT_views,
    TEETH_PT_uncertainty,
    TEETH_PT_scale,
    TEETH_PT_export,
)
