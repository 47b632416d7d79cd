"""A finished case becomes objects in a scene, in one undo step."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..backend.teethscape.errors import BadInputError
from ..scene.build import CaseScene, build_case
from ..scene.case_data import load_case
from ..scene.look import bring_into_view
from .view_state import ResultView, state


def show_case(scene: bpy.types.Scene, folder: Path) -> CaseScene:
    """Build a case folder in a scene and remember it for the panels.

    The caller makes the undo step: an operator has one, a timer pushes one.

    Raises:
        BadInputError: the folder is no finished case.
    """
    case = load_case(folder)
    built = build_case(scene, case)
    settings = scene.teethscape
    settings.result_folder = str(folder)
    settings.absent_teeth = case.absent_teeth
    if settings.heat_map:
        settings.heat_map = False
    if settings.photo_colours:
        settings.photo_colours = False
    if settings.photo_display != "BEHIND":
        settings.photo_display = "BEHIND"
    state.results[folder] = ResultView.of(case)
    state.unreadable.pop(folder, None)
    bring_into_view(built.teeth.values())
    return built


def result_of(scene: bpy.types.Scene) -> ResultView | None:
    """The result that a scene shows, from memory alone."""
    folder = scene.teethscape.result_folder
    return state.results.get(Path(folder)) if folder else None


def why_not_shown(scene: bpy.types.Scene) -> str:
    """Why the case that a scene refers to is not known; empty when it is, or there is none."""
    folder = scene.teethscape.result_folder
    return state.unreadable.get(Path(folder), "") if folder else ""


def recall_results() -> None:
    """Read the cases that the open file refers to, after it was loaded."""
    for scene in bpy.data.scenes:
        folder = scene.teethscape.result_folder
        if not folder or Path(folder) in state.results:
            continue
        try:
            state.results[Path(folder)] = ResultView.of(load_case(Path(folder)))
            state.unreadable.pop(Path(folder), None)
        except BadInputError as error:  # moved, say; the objects in the file stay usable
            state.unreadable[Path(folder)] = str(error)
