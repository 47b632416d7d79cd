"""The use case ``dataset render``: which cases are missing, who renders them, what the set then holds."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from teethscape import __version__
from teethscape.blender import find_blender, scripts_folder
from teethscape.dataset.farm.blender_worker import WorkerLaunch
from teethscape.dataset.farm.cases import Case, find_cases
from teethscape.dataset.farm.cores import crew
from teethscape.dataset.farm.layout import SETTINGS, manifest_name
from teethscape.dataset.farm.local_farm import FarmPlan, LocalFarm
from teethscape.dataset.farm.render_case import CaseReport, Effort, Status
from teethscape.dataset.farm.request import RenderRequest, checked
from teethscape.dataset.farm.scratch import Scratch, digest, sweep
from teethscape.dataset.farm.splits import read_manifests, write_splits
from teethscape.dataset.farm.store import LocalStore, Store, open_store
from teethscape.dental.lock import exclusive
from teethscape.errors import BadInputError, ExitCode
from teethscape.progress import DatasetStage, Progress

log = logging.getLogger(__name__)

WORK = ".work"


@dataclass(frozen=True)
class RenderSummary:
    """What a run did.

    Attributes:
        output: the data set.
        done: cases that were rendered now.
        skipped: cases that were complete before.
        failed: reports of cases that could not be rendered.
        wall_s: time of the run.
        cpu_s: processor time of the scripts.
        size: bytes of the new cases.
    """

    output: str
    done: int
    skipped: int
    failed: tuple[CaseReport, ...]
    wall_s: float
    cpu_s: float
    size: int

    @property
    def exit_code(self) -> ExitCode:
        """0 unless cases failed; bad input when that is all that was wrong."""
        codes = {report.code for report in self.failed}
        if not codes:
            return ExitCode.DONE
        return ExitCode.BAD_INPUT if codes <= {2, 3, 5} else ExitCode.OUT_OF_RESOURCES

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = asdict(self)
        values["failed"] = [{"uid": r.uid, "code": r.code, "message": r.message} for r in self.failed]
        return {**values, "exit_code": int(self.exit_code)}


def render_dataset(request: RenderRequest, progress: Progress) -> RenderSummary:
    """Render every case of a request that the data set lacks; the same call resumes a run.

    Raises:
        TeethscapeError: nothing could be begun, or the user cancelled.
    """
    checked(request)
    began = time.monotonic()
    cases, store = find_cases(request), open_store(request.output)
    with exclusive(_scratch_folder(request) / "lock"):
        remember_settings(store, request)
        todo = missing_cases(cases, store, request.overwrite)
        reports = list(_rendered(request, store, todo, progress)) if todo else []
        manifests = read_manifests(store)
        write_splits(store, manifests, request.val_share, request.look.seed)
    if not todo:
        sweep(_scratch_folder(request))
        progress.stage(DatasetStage.RENDER, 1.0, "nothing to do")
    done = [report for report in reports if report.status is Status.DONE]
    return RenderSummary(
        store.place,
        len(done),
        len(cases) - len(todo),
        tuple(report for report in reports if report.status is Status.FAILED),
        time.monotonic() - began,
        sum(report.cpu_s for report in done),
        sum(report.size for report in done),
    )


def remember_settings(store: Store, request: RenderRequest) -> None:
    """Write ``dataset.json``, or refuse to mix two looks in one data set.

    Raises:
        BadInputError: the data set has another look.
    """
    look = asdict(request.look)
    data = store.read(SETTINGS)
    known = None if data is None else json.loads(data.decode("utf-8")).get("look")
    if known not in (None, look) and not request.overwrite:
        assert known is not None  # noqa: S101 - for the type checker
        names = ", ".join(sorted(name for name in look if known.get(name) != look[name]))
        raise BadInputError(
            "dataset_differs",
            f"{store.place} was rendered with other settings ({names}).",
            "Give the same settings, another --output, or --overwrite.",
        )
    record = {"made_by": f"teethscape {__version__}", "look": look}
    store.write(SETTINGS, json.dumps(record, indent=1).encode("utf-8") + b"\n")


def missing_cases(cases: list[Case], store: Store, overwrite: bool) -> list[Case]:
    """Cases that must be rendered; outdated ones are cleared away when they may be.

    Raises:
        BadInputError: a finished case was rendered from another mesh.
    """
    todo = []
    for case in cases:
        data = store.read(manifest_name(case.uid))
        manifest = None if data is None else json.loads(data.decode("utf-8"))
        if manifest is not None and (
            not _fits(case, manifest) or (overwrite and _look_differs(store, manifest))
        ):
            if not overwrite:
                raise BadInputError(
                    "case_differs",
                    f"{case.uid} was rendered of another mesh, or of other kinds.",
                    "Give --overwrite to render it anew, or rename the mesh's folder.",
                )
            clear_case(store, manifest)
            manifest = None
        if manifest is None:
            todo.append(case)
    return todo


def clear_case(store: Store, manifest: Mapping[str, Any]) -> None:
    """Take a case out of the data set, its manifest first."""
    store.remove(manifest_name(manifest["uid"]))
    for name in manifest["files"]:
        store.remove(name)


def _fits(case: Case, manifest: Mapping[str, Any]) -> bool:
    source = manifest["source"]
    same = source.get("synthetic") == case.number
    if case.mesh is not None:
        same = source.get("bytes") == case.mesh.stat().st_size and source.get("sha256") == digest(case.mesh)
    return same and set(manifest["kinds"]) >= {kind.value for kind in case.kinds}


def _look_differs(store: Store, manifest: Mapping[str, Any]) -> bool:
    data = store.read(SETTINGS)
    return data is not None and json.loads(data)["look"] != manifest["look"]


def _rendered(
    request: RenderRequest, store: Store, todo: list[Case], progress: Progress
) -> Iterator[CaseReport]:
    """Render cases and tell how far it is."""
    done = failed = 0
    with _farm(request, store, len(todo)) as run:
        progress.stage(DatasetStage.RENDER, 0.0, f"0 of {len(todo)} cases")
        for report in run(todo, progress.check_cancelled):
            _note(request, report)
            done += 1
            if report.status is Status.FAILED:
                failed += 1
                progress.warn("case_failed", f"{report.uid} could not be rendered: {report.message}")
            words = f"{done} of {len(todo)} cases" + (f", {failed} failed" if failed else "")
            progress.stage(DatasetStage.RENDER, done / len(todo), words)
            yield report


@contextmanager
def _farm(request: RenderRequest, store: Store, cases: int) -> Iterator[Any]:
    """The farm's ``run``: Ray's, or that of this machine with a scratch folder of its own."""
    if request.ray is not None:
        from teethscape.dataset.farm.ray_farm import ray_farm

        with ray_farm(request) as farm:
            yield farm.run
        return
    scratch = Scratch(_scratch_folder(request))
    workers, threads = crew(request.workers, request.threads, cases)
    effort = Effort(request.retries, threads)
    plan = FarmPlan(launcher(request, threads), request.look, store, scratch, workers, effort)
    try:
        yield LocalFarm(plan).run
    finally:
        scratch.remove_if_empty()


def launcher(request: RenderRequest, threads: int) -> Callable[[int], WorkerLaunch]:
    """Makes the launch of worker number k, a Blender of so many threads."""
    blender, scripts = find_blender(request.blender), scripts_folder(request.scripts)
    logs = _scratch_folder(request).parent / "log"

    def launch(number: int) -> WorkerLaunch:
        return WorkerLaunch(
            tuple(blender.command(scripts / "render_worker.py")),
            logs / f"blender-{number}.log",
            stall_s=request.stall_s,
            threads=threads,
        )

    return launch


def _scratch_folder(request: RenderRequest) -> Path:
    """Where half-done cases are: beside the data set, so that a move is a rename."""
    if request.scratch is not None:
        return request.scratch / WORK
    store = open_store(request.output)
    if isinstance(store, LocalStore):
        return store.root / WORK
    name = hashlib.sha256(request.output.encode("utf-8")).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"teethscape-{name}" / WORK


def _note(request: RenderRequest, report: CaseReport) -> None:
    """Add a case's cost to the journal; nothing reads it but people and benchmarks."""
    path = _scratch_folder(request).parent / "log" / "farm.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps({"time": round(time.time(), 3), **asdict(report)}) + "\n")
    except OSError:  # a full disk must not end the run twice
        log.warning("%s cannot be written", path, exc_info=True)
