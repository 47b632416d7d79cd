"""Panel *Networks*: published networks, their licences, installing and importing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import bpy

from ..backend.client import JobState, JobView
from ..session.view_state import state
from ..session.weights import why_not
from .base import TeethPanel, draw_problem, draw_running, size_text, wrapped


class TEETH_PT_weights(TeethPanel, bpy.types.Panel):
    """Published networks that need a download."""

    bl_idname = "TEETH_PT_weights"
    bl_label = "Networks"
    bl_order = 9
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the list or the running job."""
        view = state.weights
        if view is not None and not view.state.is_over:
            draw_running(self.layout, view, "teeth.cancel_weights")
            return
        if view is not None:
            _draw_end(self.layout, context, view)
        if state.models is None:
            words = "Teethscape needs none of them; clicks with SAM and the TeethDreamer engine do."
            wrapped(self.layout, context, words, "INFO")
            self.layout.operator("teeth.list_weights", icon="PRESET")
        for model in state.models or ():
            _draw_model(self.layout, context, model)
        self.layout.operator("teeth.import_weights", text="Import from File…", icon="FILE_FOLDER")
        if reason := why_not():
            wrapped(self.layout, context, reason + ".", "INFO")
        elif state.models is not None and not bpy.app.online_access:
            wrapped(self.layout, context, "To install, Blender must be allowed to use the network.", "INFO")
            self.layout.operator("screen.userpref_show", text="Allow Online Access…").section = "SYSTEM"


def _draw_model(layout: bpy.types.UILayout, context: bpy.types.Context, model: Mapping[str, Any]) -> None:
    box = layout.box()
    box.label(text=model["title"])
    wrapped(box, context, model["purpose"][:1].upper() + model["purpose"][1:] + ".")
    wrapped(box, context, f"Licence: {model['licence']}")
    row = box.row()
    row.label(text=size_text(model["bytes"]))
    if model["installed"]:
        row.label(text="Installed", icon="CHECKMARK")
    elif model["downloadable"]:
        row.operator("teeth.install_weights", text="Install…", icon="IMPORT").model = model["id"]
    else:
        row.operator("wm.url_open", text="By Hand", icon="URL").url = model["page"]


def _draw_end(layout: bpy.types.UILayout, context: bpy.types.Context, view: JobView) -> None:
    if view.state is JobState.CANCELLED:
        wrapped(layout, context, "Cancelled. A download continues where it stopped.", "INFO")
    elif view.problem is not None:
        draw_problem(layout.box(), context, view.problem)
    elif added := view.summary.get("added"):
        layout.label(text=f"Installed {', '.join(added)}", icon="CHECKMARK")


classes = (TEETH_PT_weights,)
