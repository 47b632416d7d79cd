"""Clicks on a photo while Blender runs: the board, the engine that draws, and the refit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ..backend.client import ClientError, JobState, JobView
from ..backend.client.problems import Problem
from ..backend.teethscape.dental.views import View
from ..backend.teethscape.protocol import Command
from ..photos.clicks import ClickBoard, ClickPlace, click_request, refit_slots, view_of_photo
from ..properties import TEETH_PG_scene
from .readiness import job_is_open
from .request import build_request
from .runtime import runtime
from .view_state import state

_BUDGET_MS = 5.0


def clickable_case(settings: TEETH_PG_scene) -> Path | None:
    """The case whose photos can be clicked: the one shown, else the one that could not be finished."""
    if settings.result_folder:
        return Path(bpy.path.abspath(settings.result_folder))
    if state.job is not None and state.job.state is JobState.FAILED:
        return state.job.case
    return None


def clicked_view(context: bpy.types.Context) -> View | None:
    """The view of the photo in the Image Editor; None when it shows something else."""
    case = clickable_case(context.scene.teethscape)
    image = getattr(context.space_data, "image", None)
    if case is None or image is None:
        return None
    return view_of_photo(Path(bpy.path.abspath(image.filepath)), case)


def why_no_clicks(context: bpy.types.Context) -> str:
    """Why no tooth can be clicked now, with the remedy; empty when it can."""
    if clickable_case(context.scene.teethscape) is None:
        return "No case yet: reconstruct teeth, or open a case folder"
    if state.clicking:
        return "A tooth is being clicked already: accept it (Enter) or cancel it (Esc) first"
    if clicked_view(context) is None:
        return "Show one of the case's photos in this editor first"
    return ""


@dataclass
class Clicking:
    """One photo that is being clicked.

    Attributes:
        place: case, photo and engine.
        board: the clicks and what they drew.
        problem: why the last request failed.
        accepted: teeth that were kept.
    """

    place: ClickPlace
    board: ClickBoard
    problem: Problem | None = None
    accepted: tuple[int, ...] = ()
    _job: str | None = None
    _sent: int = -1
    _accepting: bool = False

    @property
    def busy(self) -> bool:
        """True while the engine has not answered the last request."""
        return self._job is not None

    def start(self) -> None:
        """Prepare the photo.

        Raises:
            ClientError: the engine is missing.
        """
        self._send(click_request(self.place, None))

    def accept(self) -> bool:
        """Keep the mask under its tooth number; False when there is none yet, or no number.

        Raises:
            ClientError: the engine is missing.
        """
        if not (self.board.says_where and self.board.mask and self.board.tooth):
            return False
        if self.busy:
            runtime().clicks.cancel(str(self._job))
        self._accepting = True
        self._send(click_request(self.place, self.board, accept=True))
        return True

    def tick(self) -> bool:
        """Hear the engine, and send the newest clicks when it is free; True when something changed.

        Raises:
            ClientError: the engine is missing.
        """
        runtime().inbox.drain(_BUDGET_MS)
        changed = self._hear()
        if not self.busy and self._sent != self.board.revision and self.board.says_where:
            self._send(click_request(self.place, self.board))
        return changed

    def wait(self, timeout_s: float = 120.0) -> None:
        """Wait for the answer; for background mode, where timers do not run."""
        if self._job is not None:
            runtime().clicks.wait(self._job, timeout_s=timeout_s)
            self._hear()

    def _send(self, request: dict[str, Any]) -> None:
        self._sent = self.board.revision
        self._job = runtime().clicks.submit(request, Command.CLICK)

    def _hear(self) -> bool:
        if self._job is None:
            return False
        view = runtime().clicks.job(self._job)
        if not view.state.is_over:
            return False
        self._job = None
        self._take(view)
        return True

    def _take(self, view: JobView) -> None:
        self.problem = view.problem
        if view.state is not JobState.DONE:
            self._accepting = False
            return
        self.board.hear(view.summary)
        if self._accepting:
            self._accepting = False
            self.accepted = (*self.accepted, int(view.summary["tooth"]))
            self.board.begin_next()
            self._sent = self.board.revision


def begin_clicking(context: bpy.types.Context) -> Clicking:
    """Make the photo in the Image Editor ready for clicks.

    Raises:
        ClientError: the engine is missing.
    """
    settings = context.scene.teethscape
    case, view = clickable_case(settings), clicked_view(context)
    if case is None or view is None or state.clicking:
        raise ClientError(Problem("not_a_case", why_no_clicks(context), "", 2))
    image = context.space_data.image
    board = ClickBoard((int(image.size[0]), int(image.size[1])))
    clicking = Clicking(ClickPlace(case, view, settings.click_engine), board)
    clicking.start()
    return clicking


def build_refit(settings: TEETH_PG_scene, case: Path) -> dict[str, Any]:
    """The request that fits a case again to its corrected masks.

    Raises:
        ClientError: no mask was corrected, or the original photos are not known any more.
    """
    masks = case / "masks" / "corrected"
    if not masks.is_dir():
        raise ClientError(Problem("mask_missing", "No mask of this case was corrected.", "Click a tooth.", 2))
    record = json.loads((case / "case.json").read_text("utf-8"))
    given = (settings.slot(view).filepath for view in View)
    files = [Path(bpy.path.abspath(path)) for path in given if path]
    slots = refit_slots(record, files)
    if slots is None:
        message = "The original photos of this case are not loaded."
        raise ClientError(Problem("photos_missing", message, "Load them in Photos, then fit again.", 2))
    request = build_request(settings, case)
    ours = {"slots": slots, "trust_views": True, "masks": str(masks), "mask_values": "named"}
    return {**request, **ours, "photos": str(Path(slots[0]["path"]).parent)}


def why_no_refit(settings: TEETH_PG_scene) -> str:
    """Why no refit can start now; empty when it can."""
    if job_is_open():
        return "A reconstruction is running: wait for it or cancel it"
    return "" if clickable_case(settings) is not None else "No case yet"
