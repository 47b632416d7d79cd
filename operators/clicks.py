"""Operators of the Image Editor: show a photo of the case, click teeth, fit again."""

from __future__ import annotations

from math import hypot
from typing import ClassVar

import bpy
from bpy.props import EnumProperty

from ..backend.client import ClientError
from ..backend.teethscape.dental.views import View
from ..photos.clicks import KEYS
from ..session.click_overlay import ClickOverlay
from ..session.clicking import (
    Clicking,
    begin_clicking,
    build_refit,
    clickable_case,
    clicked_view,
    why_no_clicks,
    why_no_refit,
)
from ..session.runtime import runtime
from ..session.view_state import state
from .follow import follow, log_progress

_VIEW_ITEMS = [(view.name, view.title, f"The {view.title.lower()} photo", int(view)) for view in View]
#: Seconds between two looks at the engine while clicking.
_LOOK_S = 0.03
_NAMES = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
_DIGITS = {name: str(number) for number, name in enumerate(_NAMES)}
_DIGITS |= {f"NUMPAD_{n}": str(n) for n in range(10)}


class TEETH_OT_show_photo(bpy.types.Operator):
    """Show a photo of the case in this editor."""

    bl_idname = "teeth.show_photo"
    bl_label = "Show Photo"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    view: EnumProperty(name="View", items=_VIEW_ITEMS, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a case, and an Image Editor to show it in."""
        space = context.space_data
        return (
            clickable_case(context.scene.teethscape) is not None
            and getattr(space, "type", "") == "IMAGE_EDITOR"
        )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Load the case's copy of the photo."""
        path = clickable_case(context.scene.teethscape) / "photos" / f"{View[self.view].value}.png"
        if not path.is_file():
            self.report({"ERROR"}, f"The case has no {View[self.view].title} photo.")
            return {"CANCELLED"}
        context.space_data.image = bpy.data.images.load(str(path), check_existing=True)
        return {"FINISHED"}


class TEETH_OT_click_tooth(bpy.types.Operator):
    """Draw the mask of a tooth by clicks on the photo; the number is proposed, or typed."""

    bl_idname = "teeth.click_tooth"
    bl_label = "Click Tooth"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A photo of the case is shown."""
        reason = why_no_clicks(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Begin to listen."""
        try:
            self._clicking: Clicking = begin_clicking(context)
        except ClientError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self._pressed: tuple[str, int, int] | None = None
        self._area = context.area
        self._overlay = ClickOverlay(self._clicking.board, context.space_data)
        self._timer = context.window_manager.event_timer_add(_LOOK_S, window=context.window)
        context.workspace.status_text_set(_keys)
        context.window_manager.modal_handler_add(self)
        state.clicking = True
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Hear one event."""
        answer = {"CANCELLED"}
        try:
            answer = self._hear(context, event)
        except ClientError as error:
            self.report({"ERROR"}, str(error))
        finally:
            if answer & {"FINISHED", "CANCELLED"}:
                self._stop(context)
        return answer

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends it: another file is opened, or the window is closed."""
        self._stop(context)

    def _hear(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if clicked_view(context) is not self._clicking.place.view:
            self.report({"WARNING"}, "Another picture is shown: clicking has ended")
            return {"CANCELLED"}
        if event.type == "TIMER":
            return self._look(context)
        if event.type in ("LEFTMOUSE", "RIGHTMOUSE"):
            return self._button(event)
        if event.value != "PRESS":
            return {"PASS_THROUGH"}
        if event.type == "ESC":
            return {"CANCELLED"}
        return self._key(event)

    def _key(self, event: bpy.types.Event) -> set[str]:
        board = self._clicking.board
        if event.type == "BACK_SPACE" or (event.type == "Z" and event.ctrl):
            board.undo()
        elif event.type in _DIGITS:
            board.type_digit(_DIGITS[event.type])
        elif event.type in ("RET", "NUMPAD_ENTER"):
            if not self._clicking.accept():
                self.report(
                    {"WARNING"}, "Click a tooth first, and type its two FDI digits when none is shown."
                )
        else:
            return {"PASS_THROUGH"}  # zooming and panning
        self._area.tag_redraw()
        return {"RUNNING_MODAL"}

    def _button(self, event: bpy.types.Event) -> set[str]:
        if event.value == "PRESS":
            inside = self._is_over_photo(event.mouse_x, event.mouse_y)
            self._pressed = (event.type, event.mouse_x, event.mouse_y) if inside else None
            return {"RUNNING_MODAL"} if inside else {"PASS_THROUGH"}
        if event.value != "RELEASE" or self._pressed is None or self._pressed[0] != event.type:
            return {"PASS_THROUGH"}
        button, x, y = self._pressed
        self._pressed = None
        moved = hypot(event.mouse_x - x, event.mouse_y - y)
        ends = self._photo_pixel(x, y), self._photo_pixel(event.mouse_x, event.mouse_y)
        self._clicking.board.release(*ends, moved, adds=button == "LEFTMOUSE")
        self._clicking.tick()
        self._area.tag_redraw()
        return {"RUNNING_MODAL"}

    def _look(self, context: bpy.types.Context) -> set[str]:
        """See whether the engine has answered; a kept tooth ends it."""
        if self._clicking.tick():
            self._area.tag_redraw()
            if self._clicking.problem is not None:
                problem = self._clicking.problem
                self.report({"ERROR"}, f"{problem.message} {problem.advice}")
            if self._clicking.accepted:
                return self._finish(context)
        return {"PASS_THROUGH"}  # other operators have timers too

    def _finish(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.teethscape
        self.report({"INFO"}, f"Tooth {self._clicking.accepted[-1]} was kept")
        if settings.click_refit and not why_no_refit(settings):
            bpy.ops.teeth.refit("EXEC_DEFAULT")
        return {"FINISHED"}

    def _region(self) -> bpy.types.Region:
        return next(region for region in self._area.regions if region.type == "WINDOW")

    def _is_over_photo(self, x: int, y: int) -> bool:
        """The pointer is in the editor, and not on its header or sidebar."""
        over = [r.type for r in self._area.regions if 0 <= x - r.x < r.width and 0 <= y - r.y < r.height]
        return over == ["WINDOW"]

    def _photo_pixel(self, x: int, y: int) -> tuple[float, float]:
        """Window pixels to photo pixels, y down."""
        region, (width, height) = self._region(), self._clicking.board.size
        u, v = region.view2d.region_to_view(x - region.x, y - region.y)
        return u * width - 0.5, (1 - v) * height - 0.5

    def _stop(self, context: bpy.types.Context) -> None:
        """Leave nothing behind."""
        state.clicking = False
        self._overlay.remove()
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)
        self._area.tag_redraw()


def _keys(header: bpy.types.Header, _context: bpy.types.Context) -> None:
    """The keys, in the status bar."""
    for key, meaning in KEYS:
        header.layout.label(text=f"{key}: {meaning}")


class TEETH_OT_refit(bpy.types.Operator):
    """Fit the teeth again to the corrected masks; finished stages are kept where nothing changed."""

    bl_idname = "teeth.refit"
    bl_label = "Fit Again"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a case and no job."""
        reason = why_no_refit(context.scene.teethscape)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Submit the job; in background mode wait for it."""
        settings, current = context.scene.teethscape, runtime()
        try:
            request = build_refit(settings, clickable_case(settings))
            current.aim_at(context.scene)
            current.job = current.client.submit(request)
        except (ClientError, OSError, ValueError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return follow(self, current.client, current.job, log_progress)


classes = (TEETH_OT_show_photo, TEETH_OT_click_tooth, TEETH_OT_refit)
