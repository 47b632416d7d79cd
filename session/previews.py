"""The unfinished surfaces that a running job writes are shown in its scene."""

from __future__ import annotations

import logging
from typing import TypeGuard

import bpy

from ..backend.client import JobView
from ..backend.teethscape.errors import BadInputError
from ..scene.find import teeth
from ..scene.look import bring_into_view
from ..scene.ply import read_ply
from ..scene.preview import clear_previews, forget_edits, is_edited, show_preview, watch_edits
from .runtime import target_scene
from .view_state import state

log = logging.getLogger(__name__)

_ENDING = ".preview.ply"


def refresh_previews(job: JobView | None) -> bool:
    """Show what is new since the last look, and take everything away when no job makes surfaces.

    Returns:
        Whether the scene has changed.
    """
    if not _makes_surfaces(job):
        state.framed = None
        return drop_previews()
    scene, changed = target_scene(), False
    if scene is None:
        return False
    watch_edits()
    for path in sorted((job.case / "meshes" / "surface").glob(f"*{_ENDING}")):
        name = path.name.removesuffix(_ENDING)
        try:
            written = path.stat().st_mtime_ns
            if state.previews.get(path) == written or is_edited(scene, name):
                continue
            _frame_once(job, scene, show_preview(scene, name, read_ply(path)))
        except (OSError, BadInputError) as error:  # the finished surface may have replaced it this moment
            log.debug("no preview: %s", error)
            continue
        state.previews[path] = written
        changed = True
    return changed


def _frame_once(job: JobView, scene: bpy.types.Scene, shown: bpy.types.Object) -> None:
    """Bring a job's first preview into view, for a jaw is tens of units large; teeth have brought theirs."""
    if state.framed == job.case:
        return
    state.framed = job.case
    if next(teeth(scene), None) is None and scene == bpy.context.scene:
        bring_into_view((shown,))


def drop_previews() -> bool:
    """Take every preview out of the open file, those too that were saved with it.

    Returns:
        Whether there were any.
    """
    state.previews.clear()
    return clear_previews()


def drop_saved_previews() -> None:
    """A file was opened: take out what was saved with it."""
    forget_edits()
    drop_previews()


def recheck_previews() -> None:
    """Undo or redo has changed what is in the scenes: the timer shows a running job's surfaces anew.

    Those of a job that is over, which undo brings back, go.
    """
    if _makes_surfaces(state.job):
        watch_edits()
        state.previews.clear()
    else:
        drop_previews()


def _makes_surfaces(job: JobView | None) -> TypeGuard[JobView]:
    return job is not None and not job.state.is_over and job.stage == "wrap"
