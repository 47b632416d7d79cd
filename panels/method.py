"""Section of *Reconstruct*: engine and surface method; greyed with the reason where one is missing."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from ..properties import TEETH_PG_scene, TEETH_PG_views
from ..session.abilities import why_not_engine, why_not_foreground, why_not_surface
from ..session.asking import is_asking
from ..session.view_state import state
from .base import wrapped


def draw_section(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Draw the choice; its header tells what is chosen."""
    settings: TEETH_PG_scene = context.scene.teethscape
    header, body = layout.panel("TEETH_PT_reconstruct_method", default_closed=True)
    header.label(text=f"Engine: {_title(settings, 'engine')}")
    if not body:
        return
    views = settings.views
    _draw_choice(body, context, (settings, "engine"), lambda name: why_not_engine(name, views.weights))
    if settings.engine == "teethdreamer":
        body.label(text="Surface")
        _draw_choice(body, context, (views, "surface"), why_not_surface)
        column = _column(body)
        column.prop(views, "preview")
        row = column.row()
        row.enabled = not views.preview
        row.prop(views, "steps")
        column.prop(views, "repaint")
        column.prop(views, "foreground")
        if lacking := why_not_foreground(views.foreground):
            wrapped(body, context, lacking + ".", "INFO")
        _draw_painting(body, views)
    if settings.engine == "teethdreamer" or _needs_weights("teethdreamer"):
        body.prop(views, "weights")
    words = "Looking…" if is_asking() else "Look Again" if state.abilities else None
    options = {} if words is None else {"text": words}
    body.operator("teeth.list_engines", icon="VIEWZOOM", **options)


def _draw_painting(layout: bpy.types.UILayout, views: TEETH_PG_views) -> None:
    """What few need to change."""
    header, body = layout.panel("TEETH_PT_reconstruct_painting", default_closed=True)
    header.label(text="Painting")
    if body:
        column = _column(body)
        for name in ("background", "precision", "memory"):
            column.prop(views, name)


def _column(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """Properties below each other, their names on the left."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column


def _draw_choice(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    chosen: tuple[bpy.types.PropertyGroup, str],
    why_not: Callable[[str], str],
) -> None:
    """One button below the other; below those that cannot be pressed stands why."""
    owner, name = chosen
    for item in owner.bl_rna.properties[name].enum_items:
        reason = why_not(item.identifier)
        row = layout.row()
        row.enabled = not reason
        row.prop_enum(owner, name, item.identifier)
        if reason:
            wrapped(layout, context, reason + ".", "INFO")


def _needs_weights(engine: str) -> bool:
    """A file of networks would make the engine usable."""
    found = (state.abilities or {}).get("engines", ())
    return any(one["name"] == engine and one["need"] == "weights" for one in found)


def _title(owner: bpy.types.PropertyGroup, name: str) -> str:
    return owner.bl_rna.properties[name].enum_items[getattr(owner, name)].name
