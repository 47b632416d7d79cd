"""One queue between the threads that wait for children and Blender's main thread.

The reader threads only post; everything else happens inside `drain`, in the
thread that calls it: a timer in the user interface, `wait_until` in background
mode, where timers do not run.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Any

#: How long `wait_until` sleeps at most before it looks at clocks again, seconds.
POLL_S = 0.1


class Inbox:
    """Events with the function that handles each."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[tuple[Callable[[Any], None], Any]] = queue.SimpleQueue()
        self._tickers: list[Callable[[], None]] = []

    def post(self, handle: Callable[[Any], None], event: Any) -> None:
        """Leave an event; may be called from any thread."""
        self._events.put((handle, event))

    def on_tick(self, ticker: Callable[[], None]) -> None:
        """Call ``ticker`` at each drain; it looks at clocks (time limits, retries)."""
        self._tickers.append(ticker)

    def drain(self, budget_ms: float = 5.0) -> int:
        """Handle what has arrived, for at most ``budget_ms``.

        Returns:
            How many events were handled.
        """
        deadline = time.monotonic() + budget_ms / 1000
        handled = 0
        while time.monotonic() < deadline and self._handle_one():
            handled += 1
        for ticker in self._tickers:
            ticker()
        return handled

    def wait_until(self, done: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Drain until ``done()``; for background mode and the command line.

        Returns:
            False when the time ran out first.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self.drain(50.0)
            if done():
                return True
            if deadline is not None and time.monotonic() > deadline:
                return False
            self._handle_one(POLL_S)

    def _handle_one(self, patience_s: float = 0.0) -> bool:
        try:
            handle, event = self._events.get(timeout=patience_s) if patience_s else self._events.get_nowait()
        except queue.Empty:
            return False
        handle(event)
        return True
