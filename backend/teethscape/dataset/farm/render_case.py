"""One case from its mesh or number to its files in the store; the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from teethscape import __version__
from teethscape.dataset.farm.blender_worker import BlenderWorker, Job, Outcome, WorkerLostError
from teethscape.dataset.farm.cases import Case
from teethscape.dataset.farm.layout import (
    INPUT,
    NORMAL,
    PHOTO,
    TARGET,
    ViewFolders,
    manifest_name,
    photo_files,
)
from teethscape.dataset.farm.request import Kind, Look
from teethscape.dataset.farm.scratch import Stage, digest
from teethscape.dataset.farm.store import Store

#: Folders that each script fills.
FOLDERS = {Kind.NORMAL: (NORMAL,), Kind.COLOR: (TARGET, INPUT), Kind.PHOTO: (PHOTO,)}
#: Exit codes that another try would give again: usage, bad input, missing part, refusal.
_FINAL_CODES = {2, 3, 4, 5}


class Status(str, Enum):
    """How a case ended."""

    DONE = "done"
    FAILED = "failed"

    __str__ = str.__str__


@dataclass(frozen=True)
class CaseReport:
    """What became of a case.

    Attributes:
        uid: the case.
        status: how it ended.
        code: exit code of a failure.
        message: why it failed.
        seconds: wall time of the scripts.
        cpu_s: processor time of the scripts.
        size: bytes of its files.
        attempts: how often it was begun.
    """

    uid: str
    status: Status
    code: int = 0
    message: str = ""
    seconds: float = 0.0
    cpu_s: float = 0.0
    size: int = 0
    attempts: int = 1


@dataclass(frozen=True)
class Effort:
    """What rendering may cost; it changes no file.

    Attributes:
        retries: how often a case is tried again after a crash, a stall or a failure.
        threads: render threads of a Blender; 0 for one per core.
    """

    retries: int = 2
    threads: int = 0


class CaseFailedError(Exception):
    """A script refused a case or failed at it.

    Args:
        outcome: the script's answer.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class CaseRenderer:
    """Renders cases with one Blender, starting it anew when it is lost.

    Args:
        worker: the Blender.
        look: what the pictures have in common.
        store: where files go.
        effort: retries and threads.
    """

    def __init__(self, worker: BlenderWorker, look: Look, store: Store, effort: Effort) -> None:
        self._worker, self._look, self._store, self._effort = worker, look, store, effort

    def render(self, case: Case, stage_of: Callable[[str, str], Stage]) -> CaseReport:
        """Render a case and put it into the store.

        Raises:
            CancelledError: the caller wants to stop.
        """
        attempt, outcome = 1, Outcome(0, "", 0.0, 0.0)
        while True:
            try:
                return self._attempt(case, stage_of(case.uid, case_key(case, self._look)), attempt)
            except CaseFailedError as error:
                outcome = error.outcome
                self._worker.close()  # perhaps it failed for what it has seen before
            except WorkerLostError as error:
                outcome = Outcome(6, " ".join((error.reason, *error.tail[-2:])), 0.0, 0.0)
            if attempt > self._effort.retries or outcome.code in _FINAL_CODES:
                return CaseReport(case.uid, Status.FAILED, outcome.code, outcome.message, attempts=attempt)
            attempt += 1

    def _attempt(self, case: Case, stage: Stage, attempt: int) -> CaseReport:
        spent: list[Outcome] = []
        manifest = stage.planned()
        if manifest is None:
            spent = [self._part(case, kind, stage) for kind in case.kinds if not stage.is_done(kind)]
            manifest = make_manifest(case, self._look, stage)
            stage.plan(manifest)
        move(manifest, stage, self._store)
        size = sum(entry["bytes"] for entry in manifest["files"].values())
        seconds, cpu_s = sum(o.seconds for o in spent), sum(o.cpu_s for o in spent)
        return CaseReport(case.uid, Status.DONE, 0, "", seconds, cpu_s, size, attempt)

    def _part(self, case: Case, kind: Kind, stage: Stage) -> Outcome:
        """Let one script do its part; it goes on where it was killed."""
        source = prepare_source(case, self._look, stage)
        arguments = script_arguments(kind, source, stage, self._look, self._effort.threads)
        outcome = self._worker.run(Job(f"{case.uid}/{kind}", kind.value, arguments))
        if outcome.code:
            raise CaseFailedError(outcome)
        missing = [name for name in expected(case, kind) if not _is_there(stage.folder / name)]
        if missing:
            stage.empty(FOLDERS[kind])
            words = f"the script left out {len(missing)} files, such as {missing[0]}"
            raise CaseFailedError(Outcome(6, words, outcome.seconds, outcome.cpu_s))
        stage.mark_done(kind)
        return outcome


def script_arguments(kind: Kind, source: Path, stage: Stage, look: Look, threads: int = 0) -> tuple[str, ...]:
    """Arguments of a render script for one object."""
    folder = stage.folder
    if kind is Kind.PHOTO:  # size and seed are in the patient's description
        samples = () if look.photo_samples is None else ("--samples", str(look.photo_samples))
        target = "--output", str(folder / PHOTO), "--device", look.device, "--threads", str(threads)
        return ("--patient", str(source), *target, *samples, "--resume")
    own = ("--normal-encoding", look.normal_encoding) if kind is Kind.NORMAL else ()
    if kind is Kind.COLOR and look.samples is not None:
        own = ("--samples", str(look.samples))
    options = {
        "--object_path": source,
        "--target_dir": folder / (NORMAL if kind is Kind.NORMAL else TARGET),
        "--input_dir": folder / INPUT,
        "--image_size": look.image_size,
        "--num_images": look.num_images,
        "--seed": look.seed,
        "--device": look.device,
        "--threads": threads,
    }
    return (*(str(part) for pair in options.items() for part in pair), *own, "--resume")


def prepare_source(case: Case, look: Look, stage: Stage) -> Path:
    """The mesh, or the description of a synthetic patient, as a file."""
    if case.mesh is not None:
        return case.mesh
    from teethscape.dataset.farm.synthetic import write_source

    return write_source(case, look, stage.folder)


def expected(case: Case, kind: Kind) -> tuple[str, ...]:
    """Files without which a part is not complete."""
    if case.jaw is None:
        return photo_files(case.uid)
    folders = ViewFolders(case.uid, case.jaw)
    parts = FOLDERS[kind]
    return tuple(name for part in parts for name in (*folders.images(part), *folders.metadata(part)))


def case_key(case: Case, look: Look) -> str:
    """What half-done files depend on besides the version."""
    mesh = digest(case.mesh) if case.mesh is not None and case.mesh.exists() else None
    values = [
        case.uid,
        str(case.mesh),
        mesh,
        case.number,
        [str(k) for k in case.kinds],
        asdict(look),
        __version__,
    ]
    return hashlib.sha256(json.dumps(values, default=str).encode("utf-8")).hexdigest()


def make_manifest(case: Case, look: Look, stage: Stage) -> dict[str, Any]:
    """What a case consists of; nothing in it depends on when or where it was rendered."""
    names = stage.files(folder for kind in case.kinds for folder in FOLDERS[kind])
    files = {name: {"bytes": (stage.folder / name).stat().st_size} for name in names}
    for name, entry in files.items():
        entry["sha256"] = digest(stage.folder / name)  # pyright: ignore[reportArgumentType]
    return {
        "uid": case.uid,
        "patient": case.patient,
        "jaw": None if case.jaw is None else case.jaw.value,
        "kinds": [kind.value for kind in case.kinds],
        "source": _source_record(case),
        "look": asdict(look),
        "files": files,
    }


def _source_record(case: Case) -> dict[str, Any]:
    if case.mesh is None:
        return {"synthetic": case.number}
    return {"name": case.mesh.name, "bytes": case.mesh.stat().st_size, "sha256": digest(case.mesh)}


def move(manifest: dict[str, Any], stage: Stage, store: Store) -> None:
    """Put a case's files into the store, the manifest last; may be interrupted and repeated.

    The layout repeats every fixed view in four folders; the store gets it once.
    """
    first: dict[str, str] = {}
    for name, entry in manifest["files"].items():
        source = stage.folder / name
        known = first.setdefault(entry["sha256"], name)
        if known != name:
            store.repeat(name, known)
        elif source.exists():  # else an earlier try has moved it
            store.take(name, source)
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    store.write(manifest_name(manifest["uid"]), text.encode("utf-8") + b"\n")
    stage.remove()


def _is_there(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
