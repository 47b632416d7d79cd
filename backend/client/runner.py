"""Run a child to its end, line by line, stoppable at any moment. For worker threads."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from . import platform_support

#: How often a silent child is looked at, seconds.
TICK_S = 0.25
_TAIL_LINES = 200
_TERMINATE_S = 3.0


class StoppedError(Exception):
    """The user has cancelled."""


class ChildFailedError(Exception):
    """A child ended with an error, or took too long.

    Args:
        code: its exit code.
        tail: the last lines of its output.
    """

    def __init__(self, code: int, tail: tuple[str, ...]) -> None:
        super().__init__(f"exit code {code}")
        self.code = code
        self.tail = tail


@dataclass(frozen=True)
class Watch:
    """Who looks on while a child runs; all are called in the thread that runs it.

    Attributes:
        stop: set to end the child.
        line: called with each line of its output.
        tick: called several times a second.
    """

    stop: threading.Event
    line: Callable[[str], None] = lambda _: None
    tick: Callable[[], None] = lambda: None


def run_child(
    command: tuple[str, ...],
    environment: Mapping[str, str],
    folder: Path,
    watch: Watch,
    limit_s: float = 3600.0,
) -> tuple[str, ...]:
    """Run a child with stdout and stderr in one stream.

    Returns:
        The last lines of its output.

    Raises:
        StoppedError: ``watch.stop`` was set; the child and its children are gone.
        ChildFailedError: it failed or exceeded ``limit_s``.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=folder,
        **platform_support.spawn_options(),
    )
    try:
        tail = _follow(child, watch, time.monotonic() + limit_s)
        code = child.wait()
    except BaseException:
        _end(child)
        raise
    finally:
        if child.stdin is not None:
            child.stdin.close()
    if code:
        raise ChildFailedError(code, tail)
    return tail


def _follow(child: subprocess.Popen[Any], watch: Watch, deadline: float) -> tuple[str, ...]:
    """Hand on lines until the output ends."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(child.stdout, lines), daemon=True).start()
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    while True:
        try:
            line = lines.get(timeout=TICK_S)
        except queue.Empty:
            line = "" if child.poll() is None else None  # a grandchild may hold the pipe open for ever
        if line is None:
            return tuple(tail)
        if line:
            tail.append(line)
            watch.line(line)
        watch.tick()
        if watch.stop.is_set():
            raise StoppedError
        if time.monotonic() > deadline:
            raise ChildFailedError(-1, (*tail, "it took too long"))


def _read(stream: IO[bytes] | None, lines: queue.SimpleQueue[str | None]) -> None:
    if stream is not None:
        with stream, contextlib.suppress(OSError):
            for raw in stream:
                lines.put(raw.decode("utf-8", "replace").rstrip() or " ")
    lines.put(None)


def _end(child: subprocess.Popen[Any]) -> None:
    """End a child and its children, politely first."""
    platform_support.terminate_tree(child)
    try:
        child.wait(_TERMINATE_S)
    except subprocess.TimeoutExpired:
        platform_support.kill_tree(child)
        child.wait()
