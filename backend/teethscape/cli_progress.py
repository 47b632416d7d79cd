"""Progress on a terminal: one line per stage, redrawn in place where that works."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from teethscape.progress import AnyStage

#: Seconds between two redraws of a line.
_INTERVAL = 0.1


class ConsoleProgress:
    """Writes stages, percent and warnings to a text stream.

    Args:
        stream: usually stderr; plain lines are written when it is no terminal.
        quiet: show warnings only.
    """

    def __init__(self, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._live = self._stream.isatty()
        self._stage: AnyStage | None = None
        self._drawn = 0.0
        self._open = False

    def stage(self, name: AnyStage, fraction: float, message: str = "") -> None:
        """Show how far a stage is."""
        if self._quiet:
            return
        now, new = time.monotonic(), name is not self._stage
        complete = fraction >= 1.0
        if not (new or complete or now - self._drawn >= _INTERVAL):
            return
        if new and self._open:
            self._write("\n")
        self._stage, self._drawn = name, now
        note = f"  {message}" if message else ""
        if self._live:
            self._write(f"\r\x1b[K{name.label:<26}{100 * min(fraction, 1.0):4.0f} %{note}")
            self._open = True
            if complete:
                self._end_line()
        elif complete:
            self._write(f"{name.label:<26} 100 %{note}\n")

    def check_cancelled(self) -> None:
        """Nothing to ask: Ctrl-C raises by itself."""

    def warn(self, code: str, message: str) -> None:
        """Show a warning on a line of its own."""
        self._end_line()
        self._write(f"Note ({code}): {message}\n")

    def _end_line(self) -> None:
        if self._open:
            self._write("\n")
            self._open = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class PlainProgress:
    """For work without stages: a callable that takes a share (0..1) and a message.

    Args:
        title: what is going on.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown = -1

    def __call__(self, fraction: float, message: str) -> None:
        """Show whole percents as they are reached."""
        percent = int(100 * min(fraction, 1.0))
        if percent > self._shown:
            self._shown = percent
            sys.stderr.write(f"{self._title:<26}{percent:4d} %  {message}\n")
