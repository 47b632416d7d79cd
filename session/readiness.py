"""What stands between the user and the next reconstruction, in words."""

from __future__ import annotations

import bpy

from ..backend.client.installer import EngineStatus
from ..backend.teethscape.dental.views import View
from ..photos.check import Severity
from ..photos.thumbnails import shelf
from ..properties import TEETH_PG_scene
from .abilities import why_not_method
from .request import missing_views, needed_views
from .view_state import state


def job_is_open() -> bool:
    """True while a job is queued, runs or is being cancelled."""
    return state.job is not None and not state.job.state.is_over


def why_not(settings: TEETH_PG_scene) -> str:
    """Why no job can start now, with the remedy; empty when it can."""
    engine = _why_no_engine()
    if engine:
        return engine
    if job_is_open():
        return "A reconstruction is running: wait for it or cancel it"
    missing = missing_views(settings)
    if len(missing) > 2:
        return f"{len(missing)} photos missing: load them in Photos"
    if missing:
        word = "photo" if len(missing) == 1 else "photos"
        return f"{' and '.join(view.title for view in missing)} {word} missing: load in Photos"
    if reason := why_not_method(settings):
        return reason
    bad = [view for view in needed_views(settings) if _is_bad(view)]
    if bad:
        return f"{bad[0].title} photo cannot be used: choose another in Photos"
    return ""


def _why_no_engine() -> str:
    if bpy.app.background:  # nothing looks at the engine beforehand; the start itself tells
        return ""
    if state.engine is None or state.engine.status in (EngineStatus.ABSENT, EngineStatus.BROKEN):
        return "The engine is not installed: press Install Engine in Setup"
    if state.engine.status is EngineStatus.WORKING:
        return "The engine is being installed: wait until Setup has finished"
    return ""


def why_no_current_engine() -> str:
    """Why no engine of this version can be asked, with the remedy: an older one may not know the job."""
    if bpy.app.background or (state.engine is not None and state.engine.status is EngineStatus.READY):
        return ""
    return "The engine is not ready: look at Setup"


def _is_bad(view: View) -> bool:
    check = shelf.checks.get(view)
    return check is not None and check.severity is Severity.ERROR
