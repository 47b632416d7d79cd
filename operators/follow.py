"""What operators do with a job of the engine once it is submitted: watch it, or stop it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import bpy

from ..backend.client import EngineClient, JobState, JobView
from ..session import ticker
from ..session.view_state import state

log = logging.getLogger(__name__)


def follow(
    operator: bpy.types.Operator,
    client: EngineClient,
    job: str,
    on_change: Callable[[JobView], None] | None = None,
) -> set[str]:
    """Watch a job: by the timer, or here when there are no timers.

    Args:
        operator: reports what went wrong in background mode.
        client: the engine that has the job.
        job: its id.
        on_change: called with each new snapshot in background mode.

    Returns:
        What the operator's ``execute`` returns.
    """
    if not bpy.app.background:
        return _watched_by_timer()
    view = client.wait(job, on_change=on_change)
    ticker.refresh()
    if view.state is JobState.DONE:
        if reason := state.unreadable.get(view.case):
            operator.report({"ERROR"}, reason)
        return {"CANCELLED"} if reason else {"FINISHED"}
    words = f"{view.problem.message} {view.problem.advice}" if view.problem else "Cancelled."
    operator.report({"ERROR"}, words)
    return {"CANCELLED"}


def stop(client: EngineClient, job: str) -> set[str]:
    """Ask an engine to stop a job; returns what the operator's ``execute`` returns."""
    client.cancel(job)
    return _watched_by_timer()


def _watched_by_timer() -> set[str]:
    ticker.refresh()
    ticker.start()
    return {"FINISHED"}


def log_progress(view: JobView) -> None:
    """Print a snapshot; for jobs that take long."""
    log.info("%3.0f %% %s", 100 * view.overall, view.message or view.stage)
