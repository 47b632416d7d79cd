"""The timer that drains the engine's messages and lets panels be drawn again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy

from ..backend.client import JobState
from ..backend.teethscape.errors import TeethscapeError
from .previews import refresh_previews
from .result import show_case
from .runtime import has_runtime, runtime, target_scene
from .unfinished import unfinished
from .view_state import state
from .xray import overlay_of, show_overlay

log = logging.getLogger(__name__)

#: Seconds between two looks; 10 Hz is as quick as a progress bar needs.
INTERVAL_S = 0.1
_BUDGET_MS = 5.0
_OTHER_FILE = "Another file was open when they were ready. Open Case… brings them into this one, from {}."


def start() -> None:
    """Let the timer run until nothing is left to drain."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=INTERVAL_S, persistent=True)


def stop() -> None:
    """End the timer."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)


def _tick() -> float | None:
    if not has_runtime():
        return None
    runtime().inbox.drain(_BUDGET_MS)
    before = _visible()
    refresh()
    if _visible() != before:
        redraw()
    return INTERVAL_S if runtime().busy else None


def _visible() -> tuple[object, ...]:
    """What the panels show of the snapshots, to the second and the per mille."""
    engine = state.engine
    seen: tuple[object, ...] = ()
    for job in (state.job, state.dataset, state.xray, state.check, state.weights, state.asking):
        if job is not None:
            seen += (job.state, job.stage, job.message, round(job.overall, 3))
            seen += (int(job.elapsed_s), job.silent, len(job.warnings))
    if engine is not None:
        seen += (engine.status, engine.progress, int(engine.elapsed_s), engine.problem, len(engine.usage))
    return seen


def refresh() -> None:
    """Take new snapshots; a job that has just ended is shown in its scene."""
    current = runtime()
    before, now = state.job, current.job_view
    state.job = now
    state.dataset = current.dataset_view
    _refresh_xray()
    state.check = current.check_view
    _refresh_weights()
    _refresh_asking()
    state.engine = current.engine_view(state.engine)
    if refresh_previews(now):
        _redraw_scenes()
    if unfinished.refresh(now):
        redraw()
    ended = now is not None and now.state is JobState.DONE
    if ended and (before is None or before.id != now.id or before.state is not JobState.DONE):
        _deliver()


def _refresh_xray() -> None:
    """Take a snapshot of the X-ray's job; one that has just ended is shown."""
    before, now = state.xray, runtime().xray_view
    state.xray = now
    ended = now is not None and now.state is JobState.DONE
    if ended and (before is None or before.id != now.id or before.state is not JobState.DONE):
        show_overlay(overlay_of(now))


def _refresh_weights() -> None:
    """Take a snapshot of the job about weights; one that is done brings the new list."""
    before, now = state.weights, runtime().weights_view
    state.weights = now
    if now is None or now.state is not JobState.DONE:
        return
    state.models = tuple(now.summary.get("models", ()))
    if now is not before:
        _take_abilities(now.summary.get("abilities"))


def _refresh_asking() -> None:
    """Take a snapshot of the question about engines; its answer is kept."""
    before, now = state.asking, runtime().asking_view
    state.asking = now
    if now is not before and now is not None and now.state is JobState.DONE:
        _take_abilities(now.summary)


def _take_abilities(found: Mapping[str, Any] | None) -> None:
    if found is not None and "engines" in found:
        state.abilities = found


def _deliver() -> None:
    """Build the finished case and push the one undo step of the whole job."""
    view = state.job
    if view is None:
        return
    scene = target_scene()
    if scene is None:
        _withhold(view.case, _OTHER_FILE.format(view.case))
        return
    try:
        show_case(scene, view.case)
    except TeethscapeError as error:
        log.error("the finished case cannot be shown: %s", error)
        _withhold(view.case, str(error))
        return
    _redraw_scenes()
    windows = bpy.context.window_manager.windows
    if windows:
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.ed.undo_push(message="Reconstruct Teeth")


def _withhold(case: Path, reason: str) -> None:
    """Say why a finished case is not in the scene."""
    state.unreadable[case] = reason
    redraw()


def _redraw_scenes() -> None:
    for area in _viewports():
        area.tag_redraw()


def redraw() -> None:
    """Draw the sidebars again.

    Not the whole viewport: on a machine without a GPU, drawing the scene for every
    per cent of progress takes the processor from the engine.
    """
    for area in _viewports():
        for region in area.regions:
            if region.type == "UI":
                region.tag_redraw()


def _viewports() -> list[bpy.types.Area]:
    areas = [area for window in bpy.context.window_manager.windows for area in window.screen.areas]
    return [area for area in areas if area.type == "VIEW_3D"]
