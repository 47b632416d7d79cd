"""The engine as a process: jobs come in by stdin, messages go out by stdout.

Three threads: the main one works, one reads stdin (so that a cancel is heard while
a job runs, and the end of Blender at once), one shows every two seconds that the
engine lives. Protocol and life cycle: ``docs/protocol.md``.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from teethscape import protocol
from teethscape.worker_channel import Channel, claim_stdin, claim_stdout
from teethscape.worker_job import JobProgress, perform
from teethscape.worker_system import greeting, lower_priority, rss_bytes

log = logging.getLogger(__name__)

HEARTBEAT_S = 2.0
#: How long a running job may clean up after Blender has gone, seconds.
ORPHAN_S = 2.0


class Worker:
    """Runs one job after the other until it is told to stop or nobody needs it.

    Args:
        channel: where messages go.
        logs: folder of the breadcrumb, which tells after a crash what was going on.
        idle_s: leave after so many seconds without a job.
    """

    def __init__(self, channel: Channel, logs: Path | None, idle_s: float) -> None:
        self._channel = channel
        self._breadcrumb = None if logs is None else logs / "breadcrumb.json"
        self._idle_s = idle_s
        self._orders: queue.Queue[protocol.Message] = queue.Queue()
        self._cancelled = threading.Event()
        self._busy_with: str | None = None
        self._progress: JobProgress | None = None

    def serve(self) -> int:
        """Greet and work until the end.

        Returns:
            The exit code.
        """
        self._channel.send(greeting())
        threading.Thread(target=self._read_orders, args=(claim_stdin(),), daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()
        self._channel.send(protocol.Bye(self._work()))
        return 0

    def _work(self) -> str:
        """Do jobs; returns why the worker leaves."""
        while True:
            try:
                order = self._orders.get(timeout=self._idle_s)
            except queue.Empty:
                return "idle"
            if isinstance(order, protocol.Bye):
                return order.reason
            if isinstance(order, protocol.Run):
                self._run(order)

    def _run(self, run: protocol.Run) -> None:
        self._channel.send(protocol.Accepted(run.job))
        self._progress = JobProgress(run.job, self._channel.send, self._cancelled)
        self._leave_breadcrumb()
        end = perform(run, self._progress)
        self._progress = self._busy_with = None
        self._leave_breadcrumb()
        try:
            self._channel.send(end)
        except protocol.ProtocolError as error:
            code, advice = "internal", "Send the report."
            self._channel.send(protocol.Error(code, f"The result cannot be sent: {error}.", advice, run.job))

    def _read_orders(self, lines: Iterable[bytes]) -> None:
        """Hear the client out; runs in its own thread."""
        for line in lines:
            try:
                message = protocol.decode(line)
            except protocol.ProtocolError as error:
                log.warning("unreadable order (%s): %r", error, line[:200])
                continue
            if message is not None:
                self._take(message)
        self._leave("orphaned")
        time.sleep(ORPHAN_S)
        os._exit(0)  # nobody reads the result any more; what is on disk is whole

    def _take(self, message: protocol.Message) -> None:
        if isinstance(message, protocol.Run):
            self._take_job(message)
        elif isinstance(message, protocol.Cancel) and message.job == self._busy_with:
            self._cancelled.set()
        elif isinstance(message, protocol.Ping):
            self._channel.send(self._sign_of_life(message.nonce))
        elif isinstance(message, protocol.FreeMemory) and self._busy_with is None:
            self._leave("freed")  # only the end of a process gives all of its memory back
        elif isinstance(message, protocol.Shutdown):
            self._leave("shutdown")

    def _take_job(self, run: protocol.Run) -> None:
        if self._busy_with is not None:
            message, advice = "The engine works on another job.", "Wait for it."
            self._channel.send(protocol.Error("engine_busy", message, advice, run.job, retryable=True))
            return
        self._busy_with = run.job
        self._cancelled.clear()
        self._orders.put(run)

    def _leave(self, reason: str) -> None:
        self._cancelled.set()
        self._orders.put(protocol.Bye(reason))

    def _beat(self) -> None:
        """Show that the engine lives while it works; runs in its own thread."""
        while True:
            time.sleep(HEARTBEAT_S)
            if self._busy_with is not None:
                self._channel.send(self._sign_of_life())
                self._leave_breadcrumb()

    def _sign_of_life(self, nonce: int = 0) -> protocol.Pong:
        progress = self._progress
        stage = "" if progress is None else progress.current
        return protocol.Pong(rss_bytes(), self._busy_with, stage, nonce)

    def _leave_breadcrumb(self) -> None:
        if self._breadcrumb is None:
            return
        life = self._sign_of_life()
        crumb = {"pid": os.getpid(), "job": life.job, "stage": life.stage, "rss_bytes": life.rss_bytes}
        half = self._breadcrumb.with_suffix(f".{threading.get_ident()}.part")
        try:
            half.write_text(json.dumps({**crumb, "time": time.time()}), "utf-8")
            half.replace(self._breadcrumb)  # a crash in the middle must not leave half a crumb
        except OSError:
            log.warning("no breadcrumb can be left", exc_info=True)
            self._breadcrumb = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a client by pipes, or test the installation with ``--selftest``."""
    parser = argparse.ArgumentParser(prog="teethscape worker", description=main.__doc__)
    parser.add_argument("--selftest", action="store_true", help="check the installation, print JSON, exit")
    parser.add_argument("--logs", type=Path, help="folder for the breadcrumb that explains a crash")
    parser.add_argument("--idle-minutes", type=float, default=5.0, help="leave after so long without a job")
    options = parser.parse_args(arguments)
    channel = claim_stdout()
    faulthandler.enable(sys.__stderr__ or sys.stderr)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    if options.selftest:
        from teethscape.worker_selftest import run_selftest

        return run_selftest(channel)
    lower_priority()
    return Worker(channel, options.logs, options.idle_minutes * 60).serve()


if __name__ == "__main__":
    sys.exit(main())
