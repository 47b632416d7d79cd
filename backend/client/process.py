"""A child process whose output arrives as events: one thread per pipe, no blocking.

The threads parse bytes and post; they never touch Blender.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from . import platform_support
from .files import rotate
from .wire import protocol

log = logging.getLogger(__name__)

#: Lines of stderr that a crash report keeps.
TAIL_LINES = 200
#: How long the readers may finish after the process has ended, seconds.
_READERS_S = 2.0


@dataclass(frozen=True)
class EngineLaunch:
    """How to start an engine.

    Attributes:
        command: program and arguments.
        environment: the child's whole environment.
        folder: working folder of the child.
        log_file: where its stderr goes; None keeps the tail in memory only.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log_file: Path | None = None


@dataclass(frozen=True)
class Received:
    """A message arrived."""

    message: protocol.Message


@dataclass(frozen=True)
class Unreadable:
    """A line arrived that is no message; it is logged and forgotten."""

    line: bytes
    reason: str


@dataclass(frozen=True)
class Mismatch:
    """The engine speaks another version of the protocol."""

    theirs: object


@dataclass(frozen=True)
class Exited:
    """The process has ended.

    Attributes:
        code: exit code, negative for a signal.
        tail: last lines of its stderr.
    """

    code: int
    tail: tuple[str, ...] = field(default=())


Event = Received | Unreadable | Mismatch | Exited


class EngineProcess:
    """A running engine: `send` writes messages, ``post`` is called with events.

    Raises:
        OSError: the program cannot be started.
    """

    def __init__(self, launch: EngineLaunch, post: Callable[[Event], None]) -> None:
        self._post = post
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        launch.folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            launch.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(launch.environment),
            cwd=launch.folder,
            **platform_support.spawn_options(),
        )
        self._start_threads(launch.log_file)

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def send(self, message: protocol.Message) -> None:
        """Queue a message for the engine; never blocks."""
        self._outgoing.put(protocol.encode(message))

    def close_input(self) -> None:
        """Close the child's stdin, which makes an engine exit by itself."""
        self._outgoing.put(None)

    def terminate(self) -> None:
        """Ask the process tree to end."""
        platform_support.terminate_tree(self._process)

    def kill(self) -> None:
        """End the process tree at once."""
        platform_support.kill_tree(self._process)

    def _start_threads(self, log_file: Path | None) -> None:
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise OSError("the engine has no pipes")
        readers = (
            threading.Thread(target=self._read_messages, args=(stdout,), daemon=True),
            threading.Thread(target=self._read_log, args=(stderr, log_file), daemon=True),
        )
        others = (
            threading.Thread(target=self._write, args=(stdin,), daemon=True),
            threading.Thread(target=self._await_end, args=(readers,), daemon=True),
        )
        for thread in (*readers, *others):
            thread.start()

    def _write(self, stdin: IO[bytes]) -> None:
        """Send what is queued; a broken pipe only means that `Exited` follows."""
        with contextlib.suppress(OSError), stdin:
            while (line := self._outgoing.get()) is not None:
                stdin.write(line)
                stdin.flush()

    def _read_messages(self, stdout: IO[bytes]) -> None:
        with stdout:
            while line := stdout.readline(protocol.MAX_LINE_BYTES + 1):
                while not line.endswith(b"\n") and (more := stdout.readline(protocol.MAX_LINE_BYTES)):
                    line = line[:200] + b" ... " + more[-200:]  # far too long: keep the ends for the log
                self._post_line(line)

    def _post_line(self, line: bytes) -> None:
        try:
            message = protocol.decode(line)
        except protocol.VersionMismatchError as error:
            self._post(Mismatch(error.theirs))
        except protocol.ProtocolError as error:
            self._post(Unreadable(line[:500], str(error)))
        else:
            if message is not None:
                self._post(Received(message))

    def _read_log(self, stderr: IO[bytes], log_file: Path | None) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(stderr)
            copy = None
            if log_file is not None:
                try:
                    log_file.parent.mkdir(parents=True, exist_ok=True)
                    rotate(log_file)
                    copy = stack.enter_context(log_file.open("ab"))
                except OSError:
                    log.warning("cannot write %s", log_file, exc_info=True)
            while line := stderr.readline(65536):
                self._tail.append(line.decode("utf-8", "replace").rstrip())
                if copy is not None:
                    copy = _copied(copy, line)

    def _await_end(self, readers: tuple[threading.Thread, ...]) -> None:
        code = self._process.wait()
        self._outgoing.put(None)
        for reader in readers:  # a grandchild may hold a pipe open: do not wait for it for ever
            reader.join(_READERS_S)
        self._post(Exited(code, tuple(self._tail)))


def _copied(target: IO[bytes], line: bytes) -> IO[bytes] | None:
    """Write a line to the log; None from the moment that the disk refuses."""
    try:
        target.write(line)
        target.flush()
    except OSError:
        log.warning("the engine's log cannot be written any more", exc_info=True)
        return None
    return target
