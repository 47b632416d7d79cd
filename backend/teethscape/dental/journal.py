"""The journal of a case: what each stage was given and what it left behind."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teethscape.dental.files import storage_errors


@dataclass(frozen=True)
class StageRecord:
    """A finished stage.

    Attributes:
        key: hash of everything that the stage depends on.
        outputs: files relative to the case folder, with their sizes in bytes.
    """

    key: str
    outputs: Mapping[str, int]

    def is_whole(self, root: Path) -> bool:
        """True while every output is still there with its size."""
        return all(_size(root / name) == size for name, size in self.outputs.items())


class Journal:
    """``log/job.jsonl``: one JSON object per line, only ever appended to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "log" / "job.jsonl"

    def append(self, event: str, **values: Any) -> None:
        """Add an event with the time (UTC)."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"time": stamp, "event": event, **values}, ensure_ascii=False)
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as stream:
                # A line that a crash cut short must not swallow the next one.
                start = b"\n" if _ends_torn(self._path) else b""
                stream.write(start + line.encode("utf-8") + b"\n")
                stream.flush()
                os.fsync(stream.fileno())

    def events(self) -> list[dict[str, Any]]:
        """All readable events; torn or foreign lines are skipped."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [event for event in map(_parse, lines) if event is not None]

    def finished_stages(self) -> dict[str, StageRecord]:
        """The last completed run of each stage that has not been started anew since."""
        done: dict[str, StageRecord] = {}
        for event in self.events():
            name = event.get("stage", "")
            if event["event"] == "stage_started":
                done.pop(name, None)
            elif event["event"] == "stage_done":
                done[name] = StageRecord(event["key"], event["outputs"])
        return done

    def stage_started(self, stage: str, key: str) -> None:
        """Note that a stage begins, which makes its former outputs void."""
        self.append("stage_started", stage=stage, key=key)

    def stage_done(self, stage: str, key: str, outputs: Iterable[Path]) -> None:
        """Note that a stage is complete, with its outputs."""
        sizes = {path.relative_to(self._root).as_posix(): path.stat().st_size for path in outputs}
        self.append("stage_done", stage=stage, key=key, outputs=sizes)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("event"), str) else None


def _ends_torn(path: Path) -> bool:
    with path.open("rb") as stream:
        if stream.seek(0, os.SEEK_END) == 0:
            return False
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
