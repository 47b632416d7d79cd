"""Runs inside Blender: tells where buttons are and when something is done.

Blender does not say where it draws a button. But over a button, Ctrl C copies
the Python call of its operator. So the series moves the real mouse down the
sidebar, presses that, and this module notes what was copied at which place.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import bpy

MARKS = Path("/w/marks")
_ADDON = "bl_ext.user_default.teethscape"
_found: list[tuple[str, int, int]] = []
Target = str | tuple[int, int]


def forget() -> None:
    """Begin a new scan."""
    _found.clear()
    bpy.context.window_manager.clipboard = ""


def note(x: int, y: int) -> None:
    """Remember what the button at a place copied."""
    manager = bpy.context.window_manager
    if manager.clipboard:
        _found.append((manager.clipboard, x, y))
        manager.clipboard = ""


def aim(
    target: Target, mark: str, offset: tuple[int, int], done: Callable[[], bool], idle: tuple[int, ...]
) -> None:
    """Write where to click: what is to be clicked, or nowhere when that is done already.

    Args:
        target: part of the call of the button, or a place, px.
        mark: file that gets the place.
        offset: from the button's middle to the place, px.
        done: tells whether the click is not needed any more.
        idle: a place, px, and a mouse button that does nothing there.
    """
    place = idle if done() else _place(target, offset)
    (MARKS / mark).write_text(" ".join(map(str, place)), "utf-8")


def _place(text: Target, offset: tuple[int, int]) -> tuple[int, int]:
    if not isinstance(text, str):
        return text
    rows = [y for copied, _, y in _found if text in copied]
    if not rows:
        raise RuntimeError(f"no button with {text!r} among {sorted({copied for copied, _, _ in _found})}")
    # One button may be as tall as several steps of the scan.
    first = [y for y in rows if y - rows[0] < 60]
    x = next(x for copied, x, _ in _found if text in copied)
    return x + offset[0], sum(first) // len(first) + offset[1]


def preference_is(name: str, value: str) -> Callable[[], bool]:
    """A click or the keyboard has set a preference of the extension."""
    return lambda: getattr(bpy.context.preferences.addons[_ADDON].preferences, name).rstrip("/") == value


def state() -> object:
    """What the extension's panels draw."""
    return sys.modules[f"{_ADDON}.session.view_state"].state


def when(condition: Callable[[], bool], mark: str, patience_s: float = float("inf")) -> None:
    """Write a mark as soon as something is true, or when patience is at its end."""
    end = time.monotonic() + patience_s

    def look() -> float | None:
        if not condition() and time.monotonic() < end:
            return 0.3
        (MARKS / mark).write_text("done", "utf-8")
        return None

    bpy.app.timers.register(look, first_interval=0.1, persistent=True)


def engine_is_ready() -> bool:
    """The Setup panel shows an engine that has passed its test."""
    view = state().engine
    return view is not None and view.status.value == "ready"


def photos_are_loaded() -> bool:
    """All five slots show a photo."""
    return len(sys.modules[f"{_ADDON}.photos.thumbnails"].shelf.icons) == 5


def photo_is_turned() -> bool:
    """The anterior photo lies on its side."""
    return bpy.context.scene.teethscape.anterior.quarter_turns % 2 == 1


def photo_is_upright() -> bool:
    """The anterior photo stands as it was loaded."""
    return bpy.context.scene.teethscape.anterior.quarter_turns == 0


def installing(least: float) -> Callable[[], bool]:
    """The installation has come so far, or is over."""

    def seen() -> bool:
        view = state().engine
        return engine_is_ready() or (view.status.value == "working" and view.progress.fraction >= least)

    return seen


def installation_is_cancelled() -> bool:
    """The installation was stopped, and nothing counts as installed."""
    view = state().engine
    return view.cancelled and view.status.value == "absent"


def job_at(least: float) -> Callable[[], bool]:
    """The reconstruction has come so far, or is over."""
    return lambda: state().job is not None and (state().job.overall >= least or state().job.state.is_over)


def job_is(name: str) -> Callable[[], bool]:
    """The reconstruction is in this state."""
    return lambda: state().job is not None and state().job.state.value == name


def views_are_shown() -> bool:
    """Unfinished views stand in the sidebar."""
    return bool(sys.modules[f"{_ADDON}.session.unfinished"].unfinished.icon)


def views_are_held() -> bool:
    """Unfinished views stand in the sidebar; the engine then waits for `go_on`, else they are soon others."""
    if views_are_shown():
        _signal(signal.SIGSTOP)
    return views_are_shown()


def go_on() -> None:
    """Let the engine work again."""
    _signal(signal.SIGCONT)


def _signal(number: int) -> None:
    client = sys.modules[f"{_ADDON}.session.runtime"].runtime().client
    os.killpg(client.pid, number)


def aim_at_photo(u: float, v: float, mark: str) -> None:
    """Write where a place of the photo in the Image Editor lies: shares of its width and, upward, height."""
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "IMAGE_EDITOR")
    region = next(region for region in area.regions if region.type == "WINDOW")
    x, y = region.view2d.view_to_region(u, v, clip=False)
    (MARKS / mark).write_text(f"{region.x + x} {window.height - (region.y + y)} 1", "utf-8")


def clicked() -> object | None:
    """The clicks that go on or went on last."""
    return bpy.app.driver_namespace["clickings"][-1:] and bpy.app.driver_namespace["clickings"][-1]


def surface_is_shown() -> bool:
    """The unfinished surface of a jaw stands in the scene."""
    return bool(state().previews)


def job_is_over() -> bool:
    """The reconstruction has ended, well or not."""
    return state().job is not None and state().job.state.is_over


def _sidebar() -> bpy.types.Region:
    area = next(a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == "VIEW_3D")
    area.spaces.active.show_region_ui = True
    return next(region for region in area.regions if region.type == "UI")


def sidebar_is_open() -> bool:
    """The sidebar, which `_sidebar` opens as the key N would, has its width."""
    return _sidebar().width > 200


def tab_is_open() -> bool:
    """The sidebar shows the tab **Teeth**; a second click on it would fold the sidebar."""
    return _sidebar().active_panel_category == "Teeth" and sidebar_is_open()


def check_job() -> None:
    """Fail unless the reconstruction has succeeded."""
    job = state().job
    if job.state.value != "done":
        raise RuntimeError(f"the reconstruction ended as {job.state}: {job.problem}")


def check_result() -> None:
    """Fail unless the finished case is in the scene, seen through a photo."""
    tooth = bpy.data.objects["FDI_11"]
    if tooth.data.attributes["sigma_mm"].data_type != "FLOAT" or len(tooth.data.polygons) < 500:
        raise RuntimeError("FDI_11 is no tooth")
    camera = bpy.context.scene.camera
    if camera is None or camera.teethscape.kind != "PHOTO_CAMERA":
        raise RuntimeError("the scene is not seen through a photo camera")


def check_teeth(count: int) -> None:
    """Fail unless the scene holds so many teeth."""
    found = [item.name for item in bpy.context.scene.objects if item.teethscape.kind == "TOOTH"]
    if len(found) != count:
        raise RuntimeError(f"{len(found)} teeth in the scene, not {count}")


def all_is_selected() -> bool:
    """Every object of the scene is selected."""
    return all(item.select_get() for item in bpy.context.scene.objects)


def scene_is_empty() -> bool:
    """The scene holds no object."""
    return not bpy.context.scene.objects


def scene_has_camera() -> bool:
    """The scene is seen through some camera."""
    return bpy.context.scene.camera is not None


def looks_through(view: str) -> Callable[[], bool]:
    """A viewport looks through this photo's camera."""

    def seen() -> bool:
        camera = bpy.context.scene.camera
        areas = bpy.context.window_manager.windows[0].screen.areas
        ways = [area.spaces.active.region_3d.view_perspective for area in areas if area.type == "VIEW_3D"]
        return "CAMERA" in ways and camera is not None and camera.teethscape.view == view

    return seen


def photo_colours_are_on() -> bool:
    """A click has given the teeth the colours of the photos."""
    return bpy.context.scene.teethscape.photo_colours


def heat_map_is_on() -> bool:
    """A click has switched the heat map on."""
    return bpy.context.scene.teethscape.heat_map


MARKS.mkdir(exist_ok=True)
module = types.ModuleType("probe")
module.__dict__.update(globals())
sys.modules["probe"] = module
