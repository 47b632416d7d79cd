"""A refusal that the user can lift: the engine asks which teeth are missing."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..backend.client import ClientError
from ..properties import TEETH_PG_scene
from .request import new_case_folder, photo_paths
from .runtime import runtime
from .view_state import state

#: Code of the refusal (docs/errors.md).
_UNCERTAIN = "numbering_uncertain"


def asks_for_missing_teeth() -> bool:
    """The last job could not number the teeth, and the user may know better."""
    problem = state.job.problem if state.job is not None else None
    return problem is not None and problem.code == _UNCERTAIN


def case_for(settings: TEETH_PG_scene) -> Path:
    """The folder of the next case: the chosen one, the refused one again, or a new one."""
    chosen = bpy.path.abspath(settings.case_folder)
    return Path(chosen) if chosen else _refused_case(settings) or new_case_folder()


def _refused_case(settings: TEETH_PG_scene) -> Path | None:
    """Where the question arose, unless the photos are others by now: perhaps another patient's."""
    if state.job is None or not asks_for_missing_teeth():
        return None
    try:
        asked = runtime().client.request(state.job.id)
    except ClientError:  # the job was forgotten meanwhile
        return None
    photos = {slot["path"] for slot in asked.get("slots", ())}
    return state.job.case if photos == set(photo_paths(settings)) else None
