"""Which job runs, which ones wait, and what messages make of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .jobs import JobState, JobStore, JobView, JobWarning
from .problems import ClientError, Problem
from .wire import protocol

log = logging.getLogger(__name__)


def updated(view: JobView, message: protocol.Message) -> JobView:
    """The snapshot after a message of the engine; a pure function."""
    if isinstance(message, protocol.Stage):
        return replace(view, stage=message.name, message=message.message, fraction=0.0)
    if isinstance(message, protocol.Progress):
        words = message.message or view.message
        overall = max(view.overall, message.overall)  # a bar that never runs backwards
        return replace(view, stage=message.stage, message=words, fraction=message.fraction, overall=overall)
    if isinstance(message, protocol.Warning):
        told = JobWarning(message.code, message.message)
        known = told in view.warnings  # an engine that was started again after a crash tells it anew
        return view if known else replace(view, warnings=(*view.warnings, told))
    if isinstance(message, protocol.Artifact):
        return replace(view, artifacts=(*view.artifacts, (message.role, message.path)))
    if isinstance(message, protocol.Pong):
        return replace(view, rss_bytes=message.rss_bytes)
    if isinstance(message, protocol.Error):
        return replace(view, state=JobState.FAILED, problem=Problem.of(message))
    if isinstance(message, protocol.Result):
        return _finished(view, message)
    return view


def _finished(view: JobView, result: protocol.Result) -> JobView:
    if result.outcome is protocol.Outcome.CANCELLED:
        return replace(view, state=JobState.CANCELLED, message="")
    return replace(view, state=JobState.DONE, message="", fraction=1.0, overall=1.0, summary=result.summary)


class JobQueue:
    """The jobs of this session, in order, each mirrored on disk."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._views: dict[str, JobView] = {}
        self._started: dict[str, float] = {}
        self.current: str | None = None
        self.accepted = False

    @property
    def views(self) -> tuple[JobView, ...]:
        """Snapshots of all jobs, oldest first."""
        return tuple(self.view(job) for job in self._views)

    @property
    def open(self) -> tuple[JobView, ...]:
        """Jobs that are not over yet, oldest first."""
        return tuple(view for view in self.views if not view.state.is_over)

    @property
    def running(self) -> JobView | None:
        """The job that the engine works on."""
        return None if self.current is None else self._views[self.current]

    @property
    def waiting(self) -> JobView | None:
        """The job that is next."""
        return next((view for view in self._views.values() if view.state is JobState.QUEUED), None)

    def view(self, job: str) -> JobView:
        """A snapshot with the time that has passed.

        Raises:
            ClientError: there is no such job in this session.
        """
        if job not in self._views:
            raise ClientError(Problem("job_unknown", f"There is no job {job}.", "Start a new one.", 2))
        view = self._views[job]
        if view.state.is_over or job not in self._started:
            return view
        return replace(view, elapsed_s=time.monotonic() - self._started[job])

    def request(self, job: str) -> Mapping[str, Any]:
        """What a job was asked to do.

        Raises:
            ClientError: there is no such job on disk.
        """
        return self._store.request(job)

    def add(self, request: Mapping[str, Any]) -> JobView:
        """A new waiting job.

        Raises:
            ClientError: the request is incomplete or cannot be written down.
        """
        view = self._store.create(request)
        self._views[view.id] = view
        return view

    def add_again(self, job: str) -> JobView:
        """A job from disk, waiting once more.

        Raises:
            ClientError: there is no such job, or it is open already.
        """
        if any(view.id == job for view in self.open):
            raise ClientError(Problem("job_open", "The job is running already.", "Wait for it.", 2))
        view = JobView(job, Path(self._store.request(job)["output"]))
        self._views.pop(job, None)
        self._started.pop(job, None)
        self.put(view)
        return view

    def unfinished(self) -> tuple[JobView, ...]:
        """Jobs on disk that a crash left behind and that are not open here."""
        here = {view.id for view in self.open}
        return tuple(view for view in self._store.unfinished() if view.id not in here)

    def discard(self, job: str) -> None:
        """Forget a job."""
        self._store.discard(job)
        self._views.pop(job, None)

    def begin(self, view: JobView) -> protocol.Run:
        """Make a waiting job the running one.

        Returns:
            The message that starts it.
        """
        self.current, self.accepted = view.id, False
        self._started.setdefault(view.id, time.monotonic())
        self.put(replace(view, state=JobState.RUNNING, attempts=view.attempts + 1, message="Starting"))
        request = self._store.request(view.id)
        command = protocol.Command(request.pop("command", protocol.Command.RECONSTRUCT))
        return protocol.Run(view.id, request, command)

    def receive(self, message: protocol.Message) -> bool:
        """Let a message change the running job.

        Returns:
            True when the job came to its end.
        """
        view = self.running
        about = getattr(message, "job", None)
        if view is None or about not in (None, view.id):
            return False
        self.accepted = self.accepted or isinstance(message, protocol.Accepted)
        return self.put(updated(view, message))

    def put(self, view: JobView) -> bool:
        """Keep a snapshot; what matters after a crash goes to disk.

        Returns:
            True when the job is over.
        """
        old = self._views.get(view.id)
        if old is not None and old.state is not view.state and not old.state.may_become(view.state):
            log.warning("job %s cannot change from %s to %s", view.id, old.state, view.state)
            return old.state.is_over
        if view.state.is_over and view.id in self._started:
            view = replace(view, elapsed_s=time.monotonic() - self._started[view.id])
        self._views[view.id] = view
        try:
            self._remember(old, view)
        except OSError:  # a full disk must not stop the job, nor the timer that drains us
            log.warning("job %s cannot be written down", view.id, exc_info=True)
        if view.state.is_over and self.current == view.id:
            self.current = None
        return view.state.is_over

    def _remember(self, old: JobView | None, view: JobView) -> None:
        """Write down what matters after a crash."""
        if old is None or (old.state, old.stage, old.attempts) != (view.state, view.stage, view.attempts):
            self._store.save(view)
        for warning in view.warnings[0 if old is None else len(old.warnings) :]:
            self._store.note(view.id, warning=warning.code, message=warning.message)
