"""One job inside the worker: its progress, and its end as a message."""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from teethscape import protocol
from teethscape.errors import CancelledError, MissingComponentError, ResourceError
from teethscape.failures import as_ours
from teethscape.progress import (
    AnyStage,
    DatasetStage,
    GenerateStage,
    Stage,
    SurfaceStage,
    ToolStage,
    XrayStage,
)

if TYPE_CHECKING:
    from teethscape.pipeline.click_case import CaseClicker

log = logging.getLogger(__name__)

_SHARES = Path(__file__).parent / "data" / "stage_shares.json"


@cache
def stage_spans(without: frozenset[AnyStage] = frozenset()) -> dict[AnyStage, tuple[float, float]]:
    """Where each stage begins and ends on the way from 0 to 1, by its measured share.

    A stage of a data set, of X-rays, of weights, of clicks or of views is a whole job.

    Args:
        without: stages that the job does not have; they take no time.
    """
    told: dict[str, float] = json.loads(_SHARES.read_text("utf-8"))["seconds"]
    seconds = {name: took for name, took in told.items() if name not in {stage.value for stage in without}}
    spans: dict[AnyStage, tuple[float, float]] = dict.fromkeys(
        (*DatasetStage, *XrayStage, *ToolStage, *GenerateStage), (0.0, 1.0)
    )
    for family in (Stage, SurfaceStage):
        whole, begin = sum(seconds.get(stage.value, 0.0) for stage in family), 0.0
        for stage in family:
            end = min(begin + seconds.get(stage.value, 0.0) / whole, 1.0)
            spans[stage] = (begin, end)
            begin = end
    return spans


class JobProgress:
    """The ``Progress`` that a running job reports to; every report is a point to cancel.

    Args:
        job: identifier of the job.
        send: where messages go.
        cancelled: set by the reader thread when the client cancels.
    """

    def __init__(
        self, job: str, send: Callable[[protocol.Message], None], cancelled: threading.Event
    ) -> None:
        self.job = job
        self.current = ""
        #: Stages that the job does not have.
        self.without: frozenset[AnyStage] = frozenset()
        self._send = send
        self._cancelled = cancelled

    def stage(self, name: AnyStage, fraction: float, message: str = "") -> None:
        """Report how far a stage is.

        Raises:
            CancelledError: the user has cancelled.
        """
        self.check_cancelled()
        if name.value != self.current:
            self.current = name.value
            self._send(protocol.Stage(self.job, name.value, message or name.label))
        fraction = min(max(float(fraction), 0.0), 1.0)
        begin, end = stage_spans(self.without)[name]
        overall = begin + (end - begin) * fraction
        self._send(protocol.Progress(self.job, name.value, fraction, overall, message or name.label))

    def check_cancelled(self) -> None:
        """Stop here if the user has cancelled.

        Raises:
            CancelledError: the user has cancelled.
        """
        if self._cancelled.is_set():
            raise CancelledError

    def warn(self, code: str, message: str) -> None:
        """Tell the user something that does not stop the job."""
        self._send(protocol.Warning(self.job, code, message))


def perform(run: protocol.Run, progress: JobProgress) -> protocol.Message:
    """Do a job to its end, whatever that is.

    Returns:
        A ``result`` when it is done or cancelled, else an ``error``.
    """
    start = time.monotonic()
    try:
        summary = _COMMANDS[run.command](run, progress)
    except CancelledError:
        elapsed = time.monotonic() - start
        return protocol.Result(run.job, protocol.Outcome.CANCELLED, elapsed_s=elapsed)
    except Exception as error:  # noqa: BLE001 - the process border: every failure becomes a message
        return error_message(run.job, error)
    return protocol.Result(run.job, summary=summary, elapsed_s=time.monotonic() - start)


def _reconstruct(run: protocol.Run, progress: JobProgress) -> dict[str, object]:
    """The command itself; its libraries are loaded here, after the greeting."""
    from teethscape.dental.request import Engine, ReconstructRequest
    from teethscape.reconstruct import reconstruct

    request = ReconstructRequest.from_json(run.request)
    if request.engine is Engine.PARAMETRIC:
        progress.without = frozenset({Stage.PAINT, Stage.WRAP})
    return reconstruct(request, progress).to_json()


def _render_dataset(run: protocol.Run, progress: JobProgress) -> dict[str, object]:
    """Render a data set; what failed of it is part of the summary."""
    from teethscape.dataset.farm.render import render_dataset
    from teethscape.dataset.farm.request import RenderRequest

    return render_dataset(RenderRequest.from_json(run.request), progress).to_json()


def _segment_xray(run: protocol.Run, progress: JobProgress) -> dict[str, object]:
    """Segment an X-ray with the user's network."""
    from teethscape.segmentation.toothseg.xray import XrayRequest, segment_xray

    return segment_xray(XrayRequest.from_json(run.request), progress)


def _click(run: protocol.Run, progress: JobProgress) -> dict[str, object]:
    """Draw a mask on a photo of a case; photos stay prepared for the next click."""
    from teethscape.pipeline.click_case import CaseClick

    return _clicker().answer(CaseClick.from_json(run.request), progress)


def _check_photos(run: protocol.Run, progress: JobProgress) -> dict[str, object]:
    """Tell views and quality of photos."""
    from teethscape.dental.request import ReconstructRequest
    from teethscape.pipeline.photo_check import check_photos

    return check_photos(ReconstructRequest.from_json(run.request), progress)


def _weights(run: protocol.Run, progress: JobProgress) -> dict[str, object]:
    """List, install or import weights."""
    from teethscape.weights.job import WeightsRequest, weights_job

    return weights_job(WeightsRequest.from_json(run.request), progress)


def _surface(run: protocol.Run, progress: JobProgress) -> dict[str, object]:
    """Make a surface from views; the same request continues a run that was cancelled."""
    from teethscape.surface.make import make_surface
    from teethscape.surface.request import SurfaceRequest

    return make_surface(SurfaceRequest.from_json(run.request), progress)


def _abilities(_run: protocol.Run, _progress: JobProgress) -> dict[str, object]:
    """Engines and surface methods that can be used, and why not."""
    from teethscape.abilities import to_json

    return to_json()


@cache
def _clicker() -> CaseClicker:
    """The one of this process."""
    from teethscape.pipeline.click_case import CaseClicker

    return CaseClicker()


_COMMANDS: dict[protocol.Command, Callable[[protocol.Run, JobProgress], dict[str, object]]] = {
    protocol.Command.RECONSTRUCT: _reconstruct,
    protocol.Command.RENDER_DATASET: _render_dataset,
    protocol.Command.SEGMENT_XRAY: _segment_xray,
    protocol.Command.CLICK: _click,
    protocol.Command.CHECK_PHOTOS: _check_photos,
    protocol.Command.WEIGHTS: _weights,
    protocol.Command.SURFACE: _surface,
    protocol.Command.ABILITIES: _abilities,
}


def error_message(job: str | None, error: Exception) -> protocol.Error:
    """An exception as data for the user interface; the story of one that is not ours goes with it."""
    ours = as_ours(error)
    details = ""
    if ours is not error:
        log.error("job %s failed", job, exc_info=error)
        details = "".join(traceback.format_exception(error))[-20_000:]
    advice = "Send the report." if ours.code == "internal" else ours.advice
    retryable = isinstance(ours, ResourceError | MissingComponentError)  # when it is installed
    return protocol.Error(ours.code, ours.message, advice, job, int(ours.exit_code), retryable, details)
