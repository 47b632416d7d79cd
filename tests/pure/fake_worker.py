"""An engine that only speaks: for tests of the client, never of results.

    python fake_worker.py --mode ok|slow|refused|uncertain|garbage|stall|crash|out-of-memory|old-version

``crash-once`` crashes while the file ``--memory`` is absent and creates it. Modes
concern jobs; the greeting is right in all of them but ``old-version``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "backend"))

from teethscape import protocol

STAGES = ("photos", "segment", "fit")


class FakeWorker:
    """Answers like an engine; how depends on the mode."""

    def __init__(self, mode: str, memory: Path | None) -> None:
        self.mode = mode
        self.memory = memory
        self.cancelled = threading.Event()
        self.lock = threading.Lock()

    def send(self, message: protocol.Message) -> None:
        self.raw(protocol.encode(message))

    def raw(self, line: bytes) -> None:
        with self.lock:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    def serve(self) -> None:
        if self.mode == "never-greets":
            time.sleep(60)
        if self.mode == "dies-at-start":
            sys.stderr.write("ImportError: libfoo is missing\n")
            sys.exit(1)
        if self.mode == "old-version":
            self.raw(json.dumps({"v": 0, "t": "hello", "version": "0.0.1", "pid": 1}).encode() + b"\n")
        else:
            self.send(protocol.Hello("0.0.0-fake", os.getpid()))
        for line in iter(sys.stdin.buffer.readline, b""):
            self.answer(protocol.decode(line))
        os._exit(0)  # the orphan guard

    def answer(self, message: protocol.Message | None) -> None:
        if isinstance(message, protocol.Run):
            self.cancelled.clear()
            threading.Thread(target=self.run, args=(message,), daemon=True).start()
        elif isinstance(message, protocol.Cancel):
            self.cancelled.set()
        elif isinstance(message, protocol.Ping):
            self.send(protocol.Pong(nonce=message.nonce))
        elif isinstance(message, protocol.Shutdown):
            self.send(protocol.Bye())
            os._exit(0)

    def run(self, order: protocol.Run) -> None:
        job = order.job
        if self.mode == "leaves":
            self.send(protocol.Bye("idle"))
            os._exit(0)
        self.send(protocol.Accepted(job))
        for number, stage in enumerate(STAGES):
            self.send(protocol.Stage(job, stage, f"Doing {stage}"))
            self.trouble(stage)
            for step in range(1, 5):
                if self.mode == "slow":
                    time.sleep(0.1)
                if self.cancelled.is_set() and self.mode != "deaf":
                    self.send(protocol.Result(job, protocol.Outcome.CANCELLED))
                    return
                overall = (number + step / 4) / len(STAGES)
                self.send(protocol.Progress(job, stage, step / 4, overall))
        if self.mode == "refused":
            self.send(protocol.Error("milk_teeth", "Milk teeth.", "Use other photos.", job, 5))
        elif self.mode == "uncertain":
            self.send(protocol.Error("numbering_uncertain", "Which teeth?", "Give masks.", job, 5))
        else:
            self.send(protocol.Warning(job, "third_molar", "Tooth 18 was left out."))
            self.send(protocol.Result(job, summary=_summary(order), elapsed_s=0.1))

    def trouble(self, stage: str) -> None:
        """What the mode does in the middle of a job."""
        if stage != "segment":
            return
        if self.mode == "garbage":
            for line in (
                b"tqdm: 12%|###\n",
                b"\xff\xfe\n",
                b"{}\n",
                b'{"v":1,"t":"new"}\n',
                b"[" * 99999 + b"\n",
            ):
                self.raw(line)
            self.raw(b"x" * (protocol.MAX_LINE_BYTES * 2) + b"\n")
        elif self.mode in ("stall", "deaf"):
            time.sleep(60)
        elif self.mode == "crash" or (self.mode == "crash-once" and not self._was_here()):
            for number in range(300):
                sys.stderr.write(f"line {number}\n")
            sys.stderr.flush()
            os.abort()
        elif self.mode == "out-of-memory":
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    def _was_here(self) -> bool:
        if self.memory is None or self.memory.exists():
            return True
        self.memory.write_text("crashed", "utf-8")
        return False


def _summary(order: protocol.Run) -> dict[str, object]:
    """What the job found; a click gets a small square around its first point."""
    if order.command is not protocol.Command.CLICK:
        return {"teeth": 28}
    found: dict[str, object] = {"width": 720, "height": 480, "teeth": {"11": [[[1, 1], [9, 1], [9, 9]]]}}
    points = order.request.get("points")
    if points:
        x, y = int(points[0][0]), int(points[0][1])
        square = [[x - 5, y - 5], [x + 5, y - 5], [x + 5, y + 5], [x - 5, y + 5]]
        found |= {"tooth": order.request.get("tooth") or 12, "score": 0.9, "mask": [square]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="ok")
    parser.add_argument("--memory", type=Path)
    arguments = parser.parse_args()
    FakeWorker(arguments.mode, arguments.memory).serve()


if __name__ == "__main__":
    main()
