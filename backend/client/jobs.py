"""Jobs and their memory on disk, which survives a crash of Blender or the engine.

``jobs/<id>/`` holds ``request.json`` (what was asked), ``state.json`` (how far it
is and who owns it) and ``events.jsonl`` (what happened). The engine keeps its own
journal in the case folder; nothing here is needed to read a case.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .files import append_line, read_json, write_json
from .platform_support import process_start
from .problems import ClientError, Problem
from .wire import protocol


class JobState(protocol.Word):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def is_over(self) -> bool:
        """True when nothing more happens to the job by itself."""
        return self not in (JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING)

    def may_become(self, other: JobState) -> bool:
        """Whether the change is one of the allowed ones."""
        return other in _ALLOWED[self]


_ALLOWED: dict[JobState, tuple[JobState, ...]] = {
    JobState.QUEUED: (JobState.RUNNING, JobState.CANCELLED, JobState.FAILED, JobState.INTERRUPTED),
    JobState.RUNNING: (
        JobState.QUEUED,  # started again after a crash
        JobState.CANCELLING,
        JobState.DONE,
        JobState.CANCELLED,
        JobState.FAILED,
        JobState.INTERRUPTED,
    ),
    JobState.CANCELLING: (JobState.DONE, JobState.CANCELLED, JobState.FAILED, JobState.INTERRUPTED),
    JobState.DONE: (),
    JobState.CANCELLED: (JobState.QUEUED,),
    JobState.FAILED: (JobState.QUEUED,),
    JobState.INTERRUPTED: (JobState.QUEUED,),
}


#: Finished jobs that are remembered.
KEPT_JOBS = 20
_ENDED = (JobState.DONE, JobState.CANCELLED, JobState.FAILED)


@dataclass(frozen=True)
class JobWarning:
    """Something that the user should know about a job that goes on."""

    code: str
    message: str


@dataclass(frozen=True)
class JobView:
    """A snapshot of a job for panels and command lines.

    Attributes:
        id: identifier of the job.
        case: the case folder that the job fills.
        state: where the job stands.
        stage: the running stage.
        message: what happens, in words.
        fraction: finished part of the stage, 0 to 1.
        overall: finished part of the job, 0 to 1.
        elapsed_s: wall time since the job was started, seconds.
        silence_s: seconds since the engine's last sign of life while it runs.
        silent: the silence is so long that the user should know.
        stuck: the silence is so long that stopping the job should be offered.
        attempts: how often the job was started; more than one after a crash.
        rss_bytes: memory of the engine at its last heartbeat.
        warnings: what the user should know, in order of arrival.
        artifacts: (role, path) of files that are ready.
        summary: what the engine found; empty until done.
        problem: why it failed or was interrupted.
    """

    id: str
    case: Path
    state: JobState = JobState.QUEUED
    stage: str = ""
    message: str = ""
    fraction: float = 0.0
    overall: float = 0.0
    elapsed_s: float = 0.0
    silence_s: float = 0.0
    silent: bool = False
    stuck: bool = False
    attempts: int = 0
    rss_bytes: int = 0
    warnings: tuple[JobWarning, ...] = ()
    artifacts: tuple[tuple[str, str], ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    problem: Problem | None = None

    @property
    def exit_code(self) -> int:
        """What a command line returns for the finished job."""
        if self.problem is not None:
            return self.problem.exit_code
        return 130 if self.state is JobState.CANCELLED else 0


class JobStore:
    """The jobs folder of an engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, request: Mapping[str, Any]) -> JobView:
        """Write a new queued job.

        Raises:
            ClientError: the request names no case folder, or the disk refuses.
        """
        if not isinstance(request.get("output"), str) or not request["output"]:
            raise ClientError(Problem("no_case_folder", "The job has no case folder.", "Choose one.", 2))
        request = _with_absolute_paths(request)
        self._prune()
        view = JobView(uuid.uuid4().hex, Path(request["output"]))
        try:
            write_json(self._folder(view.id) / "request.json", request)
            self.save(view)
        except (TypeError, ValueError) as error:
            raise ClientError(
                Problem("bad_request", f"The job cannot be written as JSON: {error}.", "", 2)
            ) from error
        except OSError as error:
            problem = Problem(
                "engine_folder", f"The engine's folder cannot be written: {error}.", "Choose another."
            )
            raise ClientError(problem) from error
        return view

    def save(self, view: JobView) -> None:
        """Write the state of a job and add it to its events."""
        owner = {"pid": os.getpid(), "start": process_start(os.getpid())}
        problem = None if view.problem is None else asdict(view.problem)
        state = {"state": view.state, "case": str(view.case), "attempts": view.attempts}
        content = {**state, "stage": view.stage, "problem": problem, "owner": owner}
        write_json(self._folder(view.id) / "state.json", content)
        self.note(view.id, **state)

    def note(self, job: str, **event: Any) -> None:
        """Add an event to a job's journal."""
        append_line(self._folder(job) / "events.jsonl", {"time": round(time.time(), 3), **event})

    def request(self, job: str) -> dict[str, Any]:
        """What the job was asked to do.

        Raises:
            ClientError: there is no such job.
        """
        request = read_json(self._folder(job) / "request.json")
        if request is None:
            raise ClientError(Problem("job_unknown", f"There is no job {job}.", "Start a new one.", 2))
        return request

    def unfinished(self) -> tuple[JobView, ...]:
        """Jobs that began and never ended, and that no living Blender works on."""
        if not self.folder.is_dir():
            return ()
        views = (self._orphan(folder) for folder in sorted(self.folder.iterdir()) if folder.is_dir())
        return tuple(view for view in views if view is not None)

    def discard(self, job: str) -> None:
        """Forget a job; its case folder is the user's and stays."""
        shutil.rmtree(self._folder(job))

    def _prune(self) -> None:
        """Forget the oldest of the jobs that came to an end."""
        ended: list[tuple[float, Path]] = []
        for path in self.folder.glob("*/state.json"):
            content = read_json(path)
            if content is not None and content.get("state") in _ENDED:
                ended.append((path.stat().st_mtime, path.parent))
        for _, folder in sorted(ended)[:-KEPT_JOBS]:
            shutil.rmtree(folder, ignore_errors=True)

    def _orphan(self, folder: Path) -> JobView | None:
        """The unfinished job in a folder, as interrupted; None for any other."""
        content = read_json(folder / "state.json")
        if content is None:
            return None
        try:
            state = JobState(content["state"])
            view = JobView(folder.name, Path(content["case"]), state, content["stage"])
            owner, problem = content["owner"], content["problem"]
            view = replace(view, attempts=content["attempts"], problem=problem and Problem(**problem))
            abandoned = owner["start"] is None or process_start(owner["pid"]) != owner["start"]
        except (KeyError, TypeError, ValueError):
            return None
        free = abandoned or (owner["pid"] == os.getpid() and state is JobState.INTERRUPTED)
        open_end = state is JobState.INTERRUPTED or not state.is_over
        return replace(view, state=JobState.INTERRUPTED) if free and open_end else None

    def _folder(self, job: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{32}", job):
            raise ClientError(Problem("job_unknown", f"{job!r} is no job.", "Start a new one.", 2))
        return self.folder / job


def _with_absolute_paths(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request for an engine that runs in a folder of its own."""
    paths = {name: request[name] for name in ("photos", "output", "masks") if request.get(name)}
    return {**request, **{name: str(Path(path).absolute()) for name, path in paths.items()}}
