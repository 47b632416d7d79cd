"""What becomes of a job that came to no end: the user lifts a refusal, or tries other settings."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..backend.client import ClientError, JobState, JobView
from ..properties import TEETH_PG_scene
from .request import masks_path, new_case_folder, photo_paths
from .runtime import runtime
from .view_state import state

#: Code of the refusal (docs/errors.md).
_UNCERTAIN = "numbering_uncertain"
#: Exit codes of wrong usage and bad input.
_OF_INPUT = (2, 3)


def asks_for_missing_teeth() -> bool:
    """The last job could not number the teeth, and the user may know better."""
    problem = state.job.problem if state.job is not None else None
    return problem is not None and problem.code == _UNCERTAIN


def case_for(settings: TEETH_PG_scene) -> Path:
    """The folder of the next case: the chosen one, that of a job that came to no end, or a new one."""
    chosen = bpy.path.abspath(settings.case_folder)
    return Path(chosen) if chosen else _unfinished_case(settings) or new_case_folder()


def _unfinished_case(settings: TEETH_PG_scene) -> Path | None:
    """Where the last job stopped, for what it had finished may have taken hours.

    Not when the photos are others by now, perhaps another patient's, or the masks: a job that fitted a
    finished case again to corrected ones leaves that case alone.
    """
    if state.job is None or not _may_go_on(state.job):
        return None
    try:
        asked = runtime().client.request(state.job.id)
    except ClientError:  # the job was forgotten meanwhile
        return None
    photos = {slot["path"] for slot in asked.get("slots", ())}
    same = photos == set(photo_paths(settings)) and asked.get("masks") == masks_path(settings)
    return state.job.case if same else None


def _may_go_on(job: JobView) -> bool:
    """Whether a job ended before it was done, and for no fault of its photos or its folder."""
    if not job.state.is_over or job.state is JobState.DONE:
        return False
    problem = job.problem
    return problem is None or not (problem.exit_code in _OF_INPUT or problem.code.startswith("case_"))
