"""The engine as Blender sees it: submit jobs, drain events, look at snapshots."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .crash import explain
from .inbox import Inbox
from .job_queue import JobQueue
from .jobs import JobState, JobStore, JobView
from .problems import ClientError, Problem
from .process import EngineLaunch
from .session import Ended, EngineSession, Listener, Patience, SessionState
from .wire import protocol

log = logging.getLogger(__name__)

_LEVELS = {
    protocol.LogLevel.DEBUG: logging.DEBUG,
    protocol.LogLevel.INFO: logging.INFO,
    protocol.LogLevel.WARNING: logging.WARNING,
    protocol.LogLevel.ERROR: logging.ERROR,
}


class EngineState(protocol.Word):
    """Where the engine stands, for the status line."""

    STOPPED = "stopped"
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"
    CRASHED = "crashed"


class EngineClient:
    """Starts the engine when it is needed and runs one job after the other.

    All methods belong to one thread, Blender's main one.

    Args:
        launch: how to start the engine, or a function that is asked at each start.
        store: where jobs are remembered.
        inbox: the queue that the caller drains; shared with the installer.
        patience: time limits.
    """

    def __init__(
        self,
        launch: EngineLaunch | Callable[[], EngineLaunch],
        store: JobStore,
        inbox: Inbox | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.inbox = inbox or Inbox()
        self._launch = (lambda: launch) if isinstance(launch, EngineLaunch) else launch
        self._queue = JobQueue(store)
        self._patience = patience or Patience()
        self._session: EngineSession | None = None
        self._not_before = 0.0
        self._crashed = False
        self.inbox.on_tick(self._tick)

    @property
    def state(self) -> EngineState:
        """Where the engine stands."""
        if self._session is None:
            return EngineState.CRASHED if self._crashed else EngineState.STOPPED
        if self._session.state is SessionState.READY:
            return EngineState.IDLE if self._queue.current is None else EngineState.BUSY
        return EngineState.STARTING if self._session.state is SessionState.STARTING else EngineState.STOPPING

    @property
    def active(self) -> bool:
        """True while a timer must drain: a job is open or the engine starts or stops."""
        return bool(self._queue.open) or self.state in (EngineState.STARTING, EngineState.STOPPING)

    @property
    def hello(self) -> protocol.Hello | None:
        """Versions and device that the running engine reported."""
        return None if self._session is None else self._session.hello

    @property
    def pid(self) -> int | None:
        """Process id of the running engine."""
        return None if self._session is None else self._session.pid

    @property
    def jobs(self) -> tuple[JobView, ...]:
        """Snapshots of this session's jobs, oldest first."""
        return tuple(self.job(view.id) for view in self._queue.views)

    def job(self, job: str) -> JobView:
        """A snapshot of a job of this session.

        Raises:
            ClientError: there is no such job.
        """
        view = self._queue.view(job)
        if self._session is None or job != self._queue.current:
            return view
        silence = time.monotonic() - self._session.heard_at
        return replace(
            view,
            silence_s=silence,
            silent=silence > self._patience.silent_s,
            stuck=silence > self._patience.stuck_s,
        )

    def request(self, job: str) -> Mapping[str, Any]:
        """What a job was asked to do, with absolute paths.

        Raises:
            ClientError: there is no such job, or it was forgotten.
        """
        return self._queue.request(job)

    def start(self) -> None:
        """Start the engine if it does not run; `submit` does it by itself.

        Raises:
            ClientError: it is not installed or cannot be started.
        """
        if self._session is not None:
            return
        listener = Listener(self._begin_next, self._receive, self._on_end)
        try:
            self._session = EngineSession(self._launch(), self.inbox, listener, self._patience)
        except OSError as error:
            problem = Problem(
                "engine_start", f"The engine cannot be started: {error}.", "Repair the engine.", 4
            )
            raise ClientError(problem) from error
        self._crashed = False

    def submit(
        self, request: Mapping[str, Any], command: protocol.Command = protocol.Command.RECONSTRUCT
    ) -> str:
        """Queue a job.

        Args:
            request: fields of the command's request as JSON; ``output`` names the folder to fill.
            command: what to do; it is remembered with the job.

        Returns:
            The job's id.

        Raises:
            ClientError: the engine is missing or the request is incomplete.
        """
        self.inbox.drain()  # an engine that has left meanwhile must not get the job
        self.start()
        view = self._queue.add({"command": command.value, **request})
        self._begin_next()
        return view.id

    def resume(self, job: str) -> str:
        """Queue an unfinished, cancelled or failed job again; finished stages are kept.

        Raises:
            ClientError: the engine or the job is missing.
        """
        self.inbox.drain()
        self.start()
        self._queue.add_again(job)
        self._begin_next()
        return job

    def unfinished(self) -> tuple[JobView, ...]:
        """Jobs that a crash left behind, in this or an earlier session."""
        return self._queue.unfinished()

    def discard(self, job: str) -> None:
        """Forget an unfinished job; its case folder stays."""
        self._queue.discard(job)

    def cancel(self, job: str) -> None:
        """Stop a job: by message, after five seconds by signal, after three more by force."""
        view = self._queue.view(job)
        if view.state is JobState.QUEUED:
            self._queue.put(replace(view, state=JobState.CANCELLED))
        elif view.state is JobState.RUNNING and self._session is not None:
            self._queue.put(replace(view, state=JobState.CANCELLING, message="Cancelling"))
            self._session.send(protocol.Cancel(job))
            self._session.escalate()

    def free_memory(self) -> None:
        """Let the engine drop what it holds between jobs."""
        if self._session is not None and self.state is EngineState.IDLE:
            self._session.send(protocol.FreeMemory())

    def stop(self) -> None:
        """Ask the engine to exit, without waiting for it."""
        if self._session is not None:
            self._session.stop()

    def shutdown(self, timeout_s: float = 10.0) -> None:
        """End the engine and wait for that; open jobs stay on disk as unfinished."""
        for view in self._queue.open:
            self._queue.put(replace(view, state=JobState.INTERRUPTED))
        self.stop()
        if not self.inbox.wait_until(lambda: self._session is None, timeout_s) and self._session is not None:
            self._session.kill()

    def drain(self, budget_ms: float = 5.0) -> bool:
        """Handle what has arrived; for a timer in the user interface.

        Returns:
            True when something happened and panels should be drawn again.
        """
        return self.inbox.drain(budget_ms) > 0

    def wait(
        self, job: str, on_change: Callable[[JobView], None] | None = None, timeout_s: float | None = None
    ) -> JobView:
        """Wait for the end of a job; for background mode, where timers do not run.

        Args:
            job: the job.
            on_change: called with each new snapshot, to print progress.
            timeout_s: longest wait; None waits as long as it takes.
        """
        last: JobView | None = None

        def over() -> bool:
            nonlocal last
            view = self.job(job)
            seen = replace(view, elapsed_s=0.0, silence_s=0.0)
            if on_change is not None and seen != last:
                on_change(view)
            last = seen
            return view.state.is_over

        self.inbox.wait_until(over, timeout_s)
        return self.job(job)

    def _tick(self) -> None:
        """Look at the clock: time limits, and the restart after a crash."""
        if self._session is not None:
            self._session.tick()
        elif self._queue.waiting is not None and time.monotonic() >= self._not_before:
            try:
                self.start()
            except ClientError as error:
                self._fail_waiting(error.problem)

    def _begin_next(self) -> None:
        """Give the idle engine the next job."""
        view = self._queue.waiting
        if view is None or self._session is None or self.state is not EngineState.IDLE:
            return
        try:
            self._session.send(self._queue.begin(view))
        except (ClientError, protocol.ProtocolError) as error:  # its file is gone, or too long for a line
            problem = Problem("bad_request", f"The job cannot be sent: {error}.", "Start a new one.", 2)
            self._queue.put(replace(self._queue.view(view.id), state=JobState.FAILED, problem=problem))
            self._begin_next()

    def _receive(self, message: protocol.Message) -> None:
        if isinstance(message, protocol.Log):
            log.log(_LEVELS[message.level], "engine: %s", message.message)
        if self._queue.receive(message) and self._session is not None:
            self._session.relax()
            self._begin_next()

    def _on_end(self, ended: Ended) -> None:
        """The engine is gone: decide what becomes of its job."""
        was_ready = self._session is not None and self._session.hello is not None
        self._session = None
        self._crashed = not ended.expected or ended.problem is not None
        view = self._queue.running
        if ended.problem is not None:
            self._fail_waiting(ended.problem)
        elif view is None:
            if self._crashed and not was_ready:
                self._fail_waiting(explain(ended.code, ended.tail))
        elif view.state is JobState.CANCELLING:
            self._queue.put(replace(view, state=JobState.CANCELLED, message=""))
        elif ended.expected:
            left_early = not self._queue.accepted  # it said goodbye while the job was on its way
            self._put_back(view) if left_early else self._interrupt(view, ended)
        else:
            self._restart(view, ended)

    def _restart(self, view: JobView, ended: Ended) -> None:
        """Start a crashed job again after a pause, but not for ever."""
        log.warning("the engine ended with %d during %s (attempt %d)", ended.code, view.stage, view.attempts)
        if view.attempts > self._patience.restarts:
            self._interrupt(view, ended)
            return
        self._not_before = time.monotonic() + self._patience.restart_s * 2 ** (view.attempts - 1)
        self._put_back(replace(view, message="The engine stopped; starting it again"))

    def _put_back(self, view: JobView) -> None:
        self._queue.current = None
        self._queue.put(replace(view, state=JobState.QUEUED))

    def _interrupt(self, view: JobView, ended: Ended) -> None:
        problem = explain(ended.code, ended.tail, view.stage)
        self._queue.put(replace(view, state=JobState.INTERRUPTED, problem=problem))

    def _fail_waiting(self, problem: Problem) -> None:
        """No engine can be had: end all open jobs with the reason."""
        for view in self._queue.open:
            self._queue.put(replace(view, state=JobState.FAILED, problem=problem))
