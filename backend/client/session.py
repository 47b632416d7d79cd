"""One life of an engine: greeting, messages, signs of life, and its end.

A session is driven from the main thread alone: the inbox hands it events, and
`tick` looks at the clock. It knows processes and time, not jobs.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from .files import read_json
from .inbox import Inbox
from .platform_support import platform_key
from .problems import Problem
from .process import EngineLaunch, EngineProcess, Event, Exited, Mismatch, Received
from .wire import __version__, protocol

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """Time limits in seconds; tests make them short.

    Attributes:
        greeting_s: for the engine's first message.
        cancel_s: between asking an engine to stop and terminating it.
        terminate_s: between terminating and killing it.
        silent_s: without a sign of life before the user is told.
        stuck_s: without a sign of life before stopping is offered.
        restart_s: before the first restart after a crash; doubles each time.
        restarts: how often one job may be started again after a crash.
    """

    greeting_s: float = 60.0
    cancel_s: float = 5.0
    terminate_s: float = 3.0
    silent_s: float = 15.0
    stuck_s: float = 60.0
    restart_s: float = 1.0
    restarts: int = 2


class SessionState(protocol.Word):
    """Where an engine process stands."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(frozen=True)
class Ended:
    """How an engine's life ended.

    Attributes:
        code: exit code.
        expected: True when it was asked to end or said ``bye``.
        tail: last lines of its stderr.
        problem: what was found before it ended, such as another version.
    """

    code: int
    expected: bool
    tail: tuple[str, ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True)
class Listener:
    """Whom a session tells what happened."""

    ready: Callable[[], None]
    message: Callable[[protocol.Message], None]
    ended: Callable[[Ended], None]


class EngineSession:
    """A started engine process.

    Raises:
        OSError: the program cannot be started.
    """

    def __init__(self, launch: EngineLaunch, inbox: Inbox, listener: Listener, patience: Patience) -> None:
        self._listener = listener
        self._patience = patience
        self._problem: Problem | None = None
        self._crumbs = None if launch.log_file is None else launch.log_file.parent
        self._steps: list[tuple[float, Callable[[], None]]] = []
        self.state = SessionState.STARTING
        self.hello: protocol.Hello | None = None
        self.heard_at = self._started_at = time.monotonic()
        self._process = EngineProcess(launch, lambda event: inbox.post(self._handle, event))
        self.send(_greeting())

    @property
    def pid(self) -> int:
        """Process id of the engine."""
        return self._process.pid

    def send(self, message: protocol.Message) -> None:
        """Send a message; nothing happens when the engine is gone."""
        self._process.send(message)

    def escalate(self) -> None:
        """End the process by force unless `relax` is called in time: terminate, then kill."""
        now = time.monotonic()
        terminate_at = now + self._patience.cancel_s
        kill_at = terminate_at + self._patience.terminate_s
        self._steps = [(terminate_at, self._force), (kill_at, self._process.kill)]

    def relax(self) -> None:
        """The engine answered in time: no force is needed."""
        if self.state is not SessionState.STOPPING:
            self._steps = []

    def stop(self) -> None:
        """Ask the engine to exit; by force when it does not."""
        if self.state in (SessionState.STARTING, SessionState.READY):
            self.state = SessionState.STOPPING
            self.send(protocol.Shutdown())
            self._process.close_input()
            self.escalate()

    def kill(self) -> None:
        """End the engine at once."""
        self.state = SessionState.STOPPING
        self._process.kill()

    def tick(self) -> None:
        """Do what the clock asks for."""
        now = time.monotonic()
        if self.state is SessionState.STARTING and now - self._started_at > self._patience.greeting_s:
            self._fail("engine_start_timeout", "The engine did not start in time.", "Repair the engine.")
        while self._steps and now >= self._steps[0][0]:
            self._steps.pop(0)[1]()

    def _force(self) -> None:
        """Terminate; from here on the end of the process is expected."""
        log.warning("engine %d did not answer in time and is terminated", self.pid)
        self.state = SessionState.STOPPING
        self._process.terminate()

    def _fail(self, code: str, message: str, advice: str) -> None:
        """End the engine because of a problem of its own."""
        self._problem = Problem(code, message, advice, 4)
        self.kill()

    def _handle(self, event: Event) -> None:
        self.heard_at = time.monotonic()
        if isinstance(event, Received):
            self._receive(event.message)
        elif isinstance(event, Mismatch):
            if self._problem is None:
                ours = protocol.PROTOCOL_VERSION
                message = f"The engine speaks protocol {event.theirs!r}, this extension {ours}."
                self._fail("engine_version", message, "Update the engine.")
        elif isinstance(event, Exited):
            expected = self.state is SessionState.STOPPING
            self.state = SessionState.ENDED
            tail = event.tail if expected else (*event.tail, *self._breadcrumb())
            self._listener.ended(Ended(event.code, expected, tail, self._problem))
        else:
            log.warning("unreadable line from the engine (%s): %r", event.reason, event.line)

    def _breadcrumb(self) -> tuple[str, ...]:
        """What the engine noted last about itself."""
        crumb = None if self._crumbs is None else read_json(self._crumbs / "breadcrumb.json")
        if crumb is None or crumb.get("pid") != self.pid:
            return ()
        return (f"last sign of life: {crumb}",)

    def _receive(self, message: protocol.Message) -> None:
        if isinstance(message, protocol.Hello):
            self.hello = message
            if self.state is SessionState.STARTING:
                self.state = SessionState.READY
                self._listener.ready()
        elif isinstance(message, protocol.Bye):
            self.state = SessionState.STOPPING
        else:
            self._listener.message(message)


def _greeting() -> protocol.Hello:
    python = platform.python_version()
    return protocol.Hello(__version__, os.getpid(), f"{sys.implementation.name} {python}", platform_key())
