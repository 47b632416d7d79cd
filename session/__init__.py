"""What lives while Blender runs: engine client, timer, snapshots for panels."""

from __future__ import annotations

import bpy

from ..photos.thumbnails import shelf
from . import result, runtime, ticker
from .previews import drop_previews, drop_saved_previews, recheck_previews
from .unfinished import unfinished
from .view_state import ViewState, state

__all__ = ["look_again", "register", "unregister"]


@bpy.app.handlers.persistent
def _after_load(*_: object) -> None:
    """A file was opened: its photos and cases come into memory again.

    Unfinished surfaces that were saved with it are of a job that it knows nothing of; one that still runs is
    shown anew.
    """
    drop_saved_previews()
    wake()


@bpy.app.handlers.persistent
def _after_undo(*_: object) -> None:
    """Undo may have changed the slots, and brought back unfinished surfaces."""
    recheck_previews()
    if not bpy.app.background:
        shelf.refresh(bpy.context.scene.teethscape)


def wake() -> float | None:
    """Look at the open file and at the engine, once, outside of drawing."""
    state.results.clear()
    last = state.job.case if state.job else None  # whether its teeth are in a file is still asked
    state.unreadable = {case: why for case, why in state.unreadable.items() if case == last}
    result.recall_results()
    if not bpy.app.background:
        shelf.refresh(bpy.context.scene.teethscape)
        current = runtime.runtime()
        ticker.refresh()
        state.unfinished = current.client.unfinished()
        state.unfinished_sets = current.farm.unfinished()
        current.measure()
        ticker.start()
        ticker.redraw()
    return None


def look_again() -> None:
    """Forget the engine that was known and look at the one that the preferences name."""
    runtime.end_runtime()
    state.engine, state.job, state.unfinished = None, None, ()
    state.dataset, state.unfinished_sets, state.xray = None, (), None
    state.check, state.weights, state.models = None, None, None
    state.abilities, state.asking = None, None
    if not bpy.app.background:
        wake()


def _handlers() -> tuple[tuple[list, object], ...]:
    known = bpy.app.handlers
    return (known.load_post, _after_load), (known.undo_post, _after_undo), (known.redo_post, _after_undo)


def register() -> None:
    """Watch file loading and look once when Blender is up."""
    for handlers, handler in _handlers():
        handlers.append(handler)
    if not bpy.app.background:
        bpy.app.timers.register(wake, first_interval=0.2)


def unregister() -> None:
    """Stop everything that runs and forget what was shown."""
    if bpy.app.timers.is_registered(wake):
        bpy.app.timers.unregister(wake)
    ticker.stop()
    runtime.end_runtime()
    if hasattr(bpy.data, "objects"):  # not while Blender enables extensions, and there are none yet
        drop_previews()
    shelf.clear()
    unfinished.clear()
    for handlers, handler in _handlers():
        handlers.remove(handler)
    state.__dict__.update(ViewState().__dict__)
