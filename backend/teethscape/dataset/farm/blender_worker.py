"""One persistent Blender that renders job after job; lines of JSON in, lines of JSON out."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from teethscape.dataset.farm.cores import few_cores, free_to_move
from teethscape.errors import CancelledError

#: Lines of a worker's output that begin so are for us; all others are Blender's chatter.
MARK = "@teethscape "
_TAIL_LINES, _LINE_LENGTH = 40, 300
_TICK_S = 0.2


@dataclass(frozen=True)
class WorkerLaunch:
    """How to start a worker.

    Attributes:
        command: program and arguments.
        log_file: where its chatter goes; None keeps the tail only.
        environment: variables besides those of this process.
        start_s: time until it must be ready, seconds.
        stall_s: silence after which it counts as stuck, seconds.
        threads: that its task scheduler may start; 0 for one per core.
    """

    command: tuple[str, ...]
    log_file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    start_s: float = 120.0
    stall_s: float = 900.0
    threads: int = 0


@dataclass(frozen=True)
class Job:
    """One run of one script.

    Attributes:
        id: name that the answer repeats.
        script: ``normal``, ``color`` or ``photo``.
        argv: its arguments.
    """

    id: str
    script: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a job ended that did end.

    Attributes:
        code: exit code of the script.
        message: what it said.
        seconds: wall time.
        cpu_s: processor time.
    """

    code: int
    message: str
    seconds: float
    cpu_s: float


class WorkerLostError(Exception):
    """A worker crashed, stalled or never came up.

    Args:
        reason: what happened, in words.
        tail: the last lines that it wrote.
    """

    def __init__(self, reason: str, tail: tuple[str, ...]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tail = tail


class BlenderWorker:
    """A child process; start it, run jobs, close it. For one thread.

    Args:
        launch: how to start it.
        stopped: asked several times a second while a job runs; True ends the child at once.
    """

    def __init__(self, launch: WorkerLaunch, stopped: Callable[[], bool] = lambda: False) -> None:
        self._launch = launch
        self._stopped = stopped
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        self.version = ""

    @property
    def pid(self) -> int | None:
        """Process id of the running child."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the child and wait until it is ready.

        Raises:
            WorkerLostError: it ended, or was not ready in time.
        """
        self._lines = queue.SimpleQueue()
        with few_cores(self._launch.threads):
            self._process = subprocess.Popen(
                self._launch.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._launch.environment},
            )
        threading.Thread(
            target=_read, args=(self._process.stdout, self._lines, self._launch.log_file), daemon=True
        ).start()
        answer = self._wait(lambda a: a.get("status") == "ready", self._launch.start_s, resets=False)
        free_to_move(self._process.pid)
        self.version = str(answer.get("blender", ""))

    def run(self, job: Job) -> Outcome:
        """Do a job; a worker that is not running is started first.

        Raises:
            WorkerLostError: the worker crashed or stalled; the next job starts a new one.
            CancelledError: the caller wants to stop.
        """
        if self._process is None:
            self.start()
        line = json.dumps({"id": job.id, "script": job.script, "argv": list(job.argv)}) + "\n"
        self._send(line.encode("ascii"))
        answer = self._wait(
            lambda a: a.get("id") == job.id and a.get("status") in ("done", "failed"), self._launch.stall_s
        )
        code = _whole(answer.get("code"), 1 if answer["status"] == "failed" else 0)
        if answer["status"] == "failed":
            code = code or 1
        numbers = (_number(answer.get(name)) for name in ("seconds", "cpu_s"))
        return Outcome(code, str(answer.get("message", "")), *numbers)

    def close(self, patience_s: float = 10.0) -> None:
        """Let the child end by itself, which it does at the end of its input."""
        if self._process is None:
            return
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        self.kill()

    def kill(self) -> None:
        """End the child at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with suppress(OSError):
                if self._process.stdin is not None:
                    self._process.stdin.close()
        self._process = None

    def _send(self, line: bytes) -> None:
        stream = None if self._process is None else self._process.stdin
        try:
            if stream is None:
                raise BrokenPipeError
            stream.write(line)
            stream.flush()
        except OSError as error:
            raise self._lost("it ended between two jobs") from error

    def _wait(
        self, fits: Callable[[dict[str, Any]], bool], limit_s: float, resets: bool = True
    ) -> dict[str, Any]:
        """The next answer that fits; any line of output shows that the child lives."""
        deadline = time.monotonic() + limit_s
        while True:
            line = self._line(deadline)
            if line is not None and resets:
                deadline = time.monotonic() + limit_s
            answer = None if line is None else parse(line)
            if answer is not None and fits(answer):
                return answer

    def _line(self, deadline: float) -> str | None:
        """The next line of output; None when there is none yet."""
        if self._stopped():
            self.kill()
            raise CancelledError
        try:
            line = self._lines.get(timeout=_TICK_S)
        except queue.Empty:
            if time.monotonic() > deadline:
                raise self._lost("it was silent for too long") from None
            return None
        if line is None:
            raise self._lost("it ended")
        if MARK not in line:
            self._tail.append(line[:_LINE_LENGTH])
        return line

    def _lost(self, reason: str) -> WorkerLostError:
        process = self._process
        self.kill()
        code = None if process is None else process.returncode
        words = f"Blender was lost: {reason} (exit code {code})"
        return WorkerLostError(words, tuple(self._tail))


def parse(line: str) -> dict[str, Any] | None:
    """The answer in a line of a worker's output; None for chatter and garbage."""
    place = line.find(MARK)  # chatter without a line end may stand before it
    if place < 0:
        return None
    try:
        answer = json.loads(line[place + len(MARK) :])
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _read(stream: IO[bytes] | None, lines: queue.SimpleQueue[str | None], log_file: Path | None) -> None:
    """Hand on lines until the child's output ends; runs in a thread of its own."""
    log = None
    with suppress(OSError):
        if log_file is not None:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            log = log_file.open("ab")
    if stream is not None:
        with stream, suppress(OSError, ValueError):
            for raw in stream:
                lines.put(raw.decode("utf-8", "replace").rstrip())
                if log is not None:
                    log.write(raw)
                    log.flush()
    if log is not None:
        log.close()
    lines.put(None)


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e12 else 0.0
