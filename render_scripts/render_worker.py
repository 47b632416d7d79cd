"""A persistent worker: one Blender that renders one job after another.

    blender --background --python render_scripts/render_worker.py
    python render_scripts/render_worker.py                            (with the bpy wheel)

Reads one JSON object per line on stdin,
``{"id": str, "script": "normal|color|photo", "argv": [str, ...]}``, and answers each with one line on stdout,
``@teethscape {"id":, "status": "done|failed", "code": int, "message": str, "seconds": s, "cpu_s": s}``.
The first line is ``@teethscape {"status": "ready", "blender": "5.0.1"}``. After that nothing else comes on
stdout: Blender's own messages go to stderr, which the reader must drain or send to a file. A job that
fails does not end the worker; the end of the input does, with exit code 0.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import bpy  # before anything that imports mathutils: the wheel wants it so

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backend"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from rendering.entry import cancel_on_interrupt, check_cancelled, guarded

from teethscape.errors import ExitCode

MARK = "@teethscape "
SCRIPTS = {"normal": "normal_render", "color": "color_render", "photo": "photo_render"}


@dataclass(frozen=True)
class Job:
    """A script's module, and the arguments of its ``main``."""

    module: str
    argv: list[str]


class LastError(logging.Handler):
    """Keeps the last error that a script has logged: the message of a failed job."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the sentence."""
        self.text = record.getMessage().strip()


def cpu_seconds() -> float:
    """Processor time of this process and its children until now."""
    return sum(os.times()[:4])


def run_job(line: str, last_error: LastError) -> dict[str, Any]:
    """Run one job; return the answer."""
    start, cpu = time.perf_counter(), cpu_seconds()
    last_error.text = ""
    name, job = _parse(line)
    if isinstance(job, Job):
        code = guarded(lambda: importlib.import_module(job.module).main(job.argv))
    else:
        code, last_error.text = int(ExitCode.USAGE), job
    return {
        "id": name,
        "status": "failed" if code else "done",
        "code": code,
        "message": (last_error.text or f"The script ended with {code}.") if code else "",
        "seconds": round(time.perf_counter() - start, 3),
        "cpu_s": round(cpu_seconds() - cpu, 3),
    }


def _parse(line: str) -> tuple[str | None, Job | str]:
    """The id of a job as far as there is one, and the job, or what is wrong with the line."""
    try:
        found = json.loads(line)
    except ValueError as error:
        return None, f"The job is no JSON ({error})."
    name = found.get("id") if isinstance(found, dict) else None
    if not isinstance(name, str):
        return None, "The job has no id."
    script, argv = found.get("script"), found.get("argv")
    if script not in SCRIPTS:
        return name, f"The script of the job is none of {', '.join(SCRIPTS)}."
    if not isinstance(argv, list) or not all(isinstance(part, str) for part in argv):
        return name, "The argv of the job is no list of words."
    return name, Job(SCRIPTS[script], argv)


def serve(jobs: Iterable[str], answers: TextIO) -> None:
    """Answer jobs until there are no more.

    Raises:
        CancelledError: Ctrl C was pressed.
    """
    last_error = LastError()
    logging.getLogger("teethscape").addHandler(last_error)
    _answer(answers, {"status": "ready", "blender": bpy.app.version_string.split()[0]})
    for line in jobs:
        if line.strip():
            _answer(answers, run_job(line, last_error))
            check_cancelled()


def _answer(stream: TextIO, value: dict[str, Any]) -> None:
    stream.write(MARK + json.dumps(value) + "\n")
    stream.flush()


def own_stdout() -> TextIO:
    """Take stdout for the answers alone; what Blender prints from now on goes to stderr."""
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def main() -> int:
    """Serve stdin; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cancel_on_interrupt()

    def work() -> int:
        serve(sys.stdin, own_stdout())
        return 0

    return guarded(work)


if __name__ == "__main__":
    sys.exit(main())
