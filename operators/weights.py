"""Operators of the Weights panel: list, install after the licence was shown, import, cancel."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import bpy
from bpy.props import BoolProperty, StringProperty

from ..backend.client import ClientError, JobState
from ..backend.teethscape.protocol import Command
from ..session.runtime import runtime
from ..session.view_state import state
from ..session.weights import model_by_id, weights_is_open, weights_request, why_not
from .follow import follow, stop

_DIALOG_PX = 460
_DIALOG_LETTERS = 66


def _submit(operator: bpy.types.Operator, request: dict[str, Any]) -> set[str]:
    """Start a job about weights; in background mode wait for it."""
    current = runtime()
    try:
        current.weights_job = current.loader.submit(request, Command.WEIGHTS)
    except ClientError as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    return follow(operator, current.loader, current.weights_job)


class _WeightsOperator:
    """What the operators share."""

    bl_options: ClassVar[set[str]] = {"INTERNAL"}
    downloads: ClassVar[bool] = False

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """The engine is there and not at it already."""
        reason = why_not(cls.downloads)
        if reason:
            cls.poll_message_set(reason)
        return not reason


class TEETH_OT_list_weights(_WeightsOperator, bpy.types.Operator):
    """Ask the engine which published networks it knows and which are installed."""

    bl_idname = "teeth.list_weights"
    bl_label = "List Networks"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask."""
        return _submit(self, weights_request("list"))


class TEETH_OT_install_weights(_WeightsOperator, bpy.types.Operator):
    """Show the licence of a published network, then download, check and convert it."""

    bl_idname = "teeth.install_weights"
    bl_label = "Install Network"
    downloads: ClassVar[bool] = True

    model: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    accepted: BoolProperty(
        name="I have read and accept the licence", default=False, options={"HIDDEN", "SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Show the licence."""
        return context.window_manager.invoke_props_dialog(
            self, width=_DIALOG_PX, confirm_text="Download and Install"
        )

    def draw(self, _context: bpy.types.Context) -> None:
        """The licence and what is asked."""
        layout, model = self.layout, model_by_id(self.model)
        if model is None:
            layout.label(text="List the networks first", icon="ERROR")
            return
        _draw_licence(layout, model)
        layout.prop(self, "accepted")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Download, if the licence was accepted."""
        if not self.accepted:
            self.report({"ERROR"}, "The licence was not accepted: nothing was downloaded")
            return {"CANCELLED"}
        return _submit(self, weights_request("install", model=self.model, accepted=True))


def _draw_licence(layout: bpy.types.UILayout, model: Mapping[str, Any]) -> None:
    """What the user accepts before a download."""
    layout.label(text=f"{model['title']}, {model['bytes'] / 1e6:,.0f} MB", icon="IMPORT")
    layout.label(text=f"Licence: {model['licence']}")
    column = layout.column(align=True)
    for line in textwrap.wrap(model["terms"], _DIALOG_LETTERS):
        column.label(text=line)
    if model["commercial_use"] != "yes":
        layout.label(text="Commercial use: unclear", icon="ERROR")
    layout.operator("wm.url_open", text="Read Where It Is Published", icon="URL").url = model["page"]


class TEETH_OT_import_weights(_WeightsOperator, bpy.types.Operator):
    """Take a published network from a file that you have: checked and converted, the file stays."""

    bl_idname = "teeth.import_weights"
    bl_label = "Import Network"

    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filter_glob: StringProperty(
        default="*.pth;*.pt;*.ckpt;*.bin;*.safetensors", options={"HIDDEN", "SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Import it."""
        path = Path(bpy.path.abspath(self.filepath)).absolute()
        if not path.is_file():
            self.report({"ERROR"}, "Choose a file of weights")
            return {"CANCELLED"}
        return _submit(self, weights_request("import", path=str(path)))


class TEETH_OT_cancel_weights(bpy.types.Operator):
    """Stop; a download continues where it stopped when it is started again."""

    bl_idname = "teeth.cancel_weights"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """There is something to stop."""
        return weights_is_open() and state.weights.state is not JobState.CANCELLING

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask the engine to stop."""
        current = runtime()
        return stop(current.loader, current.weights_job)


classes = (
    TEETH_OT_list_weights,
    TEETH_OT_install_weights,
    TEETH_OT_import_weights,
    TEETH_OT_cancel_weights,
)
