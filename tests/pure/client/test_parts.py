"""Crash table, job memory on disk, and the client's manners as a package."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from client import ClientError, JobState, JobStore, JobView, Problem
from client.crash import crash_kinds, explain
from client.job_queue import JobQueue, updated
from teethscape import protocol

CLIENT = Path(__file__).resolve().parents[3] / "backend" / "client"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (-9, "engine_killed"),
        (137, "engine_killed"),
        (-11, "engine_crashed"),
        (0xC0000005, "engine_crashed"),
        (0xC0000005 - 2**32, "engine_crashed"),
        (0xC0000135, "engine_library_missing"),
        (0, "engine_left"),
        (77, "engine_failed"),
    ],
)
def test_exit_codes_become_words(code: int, name: str) -> None:
    problem = explain(code, ["first", "last"], "fit")
    assert problem.code == name
    assert problem.details.splitlines() == [f"exit code {code} in stage fit", "first", "last"]


def test_the_crash_table_is_sound() -> None:
    exits = [code for kind in crash_kinds() for code in kind.exits]
    assert len(exits) == len(set(exits))
    assert crash_kinds()[-1].exits == ()
    assert all(kind.message.endswith(".") and kind.advice.endswith(".") for kind in crash_kinds())


def test_every_code_of_the_client_is_explained_in_the_documentation() -> None:
    page = (CLIENT.parents[1] / "docs" / "errors.md").read_text("utf-8")
    codes = {kind.code for kind in crash_kinds()}
    for path in CLIENT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
                "Problem",
                "_fail",
            ):
                codes |= {a.value for a in node.args[:1] if isinstance(a, ast.Constant)}
    assert len(codes) > 20
    assert [code for code in sorted(codes) if f"\n### {code}\n" not in page] == []


def test_messages_change_snapshots() -> None:
    view = JobView("a", Path("case"), JobState.RUNNING)
    view = updated(view, protocol.Stage("a", "fit", "Fitting"))
    assert (view.stage, view.message, view.fraction) == ("fit", "Fitting", 0.0)
    view = updated(view, protocol.Progress("a", "fit", 0.5, 0.6))
    assert (view.fraction, view.overall, view.message) == (0.5, 0.6, "Fitting")
    view = updated(view, protocol.Progress("a", "fit", 0.6, 0.1))
    assert view.overall == 0.6
    view = updated(view, protocol.Artifact("a", "mesh", "/case/upper.ply"))
    assert view.artifacts == (("mesh", "/case/upper.ply"),)
    failed = updated(view, protocol.Error("oom", "No memory.", "Close programs.", "a", 6, True))
    assert (failed.state, failed.exit_code) == (JobState.FAILED, 6)
    assert updated(view, protocol.Result("a", protocol.Outcome.CANCELLED)).exit_code == 130


def test_messages_about_other_jobs_are_ignored(tmp_path: Path) -> None:
    queue = JobQueue(JobStore(tmp_path))
    view = queue.add({"output": str(tmp_path / "case")})
    queue.begin(view)
    assert not queue.receive(protocol.Result("another"))
    assert queue.receive(protocol.Result(view.id))


def test_a_full_disk_does_not_stop_a_running_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JobStore(tmp_path)
    queue = JobQueue(store)
    view = queue.add({"output": str(tmp_path / "case")})
    run = queue.begin(view)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "save", full)
    monkeypatch.setattr(store, "note", full)
    assert not queue.receive(protocol.Stage(run.job, "fit"))
    assert not queue.receive(protocol.Warning(run.job, "third_molar", "Left out."))
    assert queue.receive(protocol.Result(run.job))
    assert queue.view(run.job).state is JobState.DONE


def test_what_an_engine_tells_again_after_a_crash_is_known(tmp_path: Path) -> None:
    queue = JobQueue(JobStore(tmp_path))
    view = queue.add({"output": str(tmp_path / "case")})
    moved = [("mask_moved", "Upper jaw: The mask of view 3 is 1.0 px too small; its border is moved.")]
    for told in (moved, [*moved, ("mask_moved", "Upper jaw: The mask of view 4 is 1.0 px too small.")]):
        run = queue.begin(queue.view(view.id))
        for code, message in told:
            queue.receive(protocol.Warning(run.job, code, message))
        queue.current = None
        queue.put(replace(queue.view(view.id), state=JobState.QUEUED))
    assert [warning.message[-4:] for warning in queue.view(view.id).warnings] == ["ved.", "all."]


def test_a_finished_job_cannot_come_back_to_life(tmp_path: Path) -> None:
    queue = JobQueue(JobStore(tmp_path))
    view = queue.add({"output": str(tmp_path / "case")})
    queue.put(replace(view, state=JobState.CANCELLED))
    assert queue.put(replace(view, state=JobState.DONE))
    assert queue.view(view.id).state is JobState.CANCELLED


def test_states_change_as_allowed() -> None:
    assert JobState.RUNNING.may_become(JobState.QUEUED)
    assert not JobState.DONE.may_become(JobState.RUNNING)
    assert all(state.is_over != state.may_become(JobState.INTERRUPTED) for state in JobState)


def test_a_job_survives_on_disk(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    view = store.create({"output": str(tmp_path / "case ü"), "photos": "relative"})
    assert Path(store.request(view.id)["photos"]).is_absolute()
    problem = Problem("engine_killed", "Killed.", "Continue.", details="tail")
    store.save(replace(view, state=JobState.INTERRUPTED, stage="fit", attempts=3, problem=problem))
    (left,) = JobStore(tmp_path / "jobs").unfinished()
    assert (left.id, left.case, left.stage, left.attempts, left.problem) == (
        view.id, tmp_path / "case ü", "fit", 3, problem,
    )  # fmt: skip
    events = (tmp_path / "jobs" / view.id / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["state"] for line in events] == ["queued", "interrupted"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"state": "dancing"}', '{"state": "running", "case": 3}']
)
def test_damaged_job_folders_are_passed_over(tmp_path: Path, content: str) -> None:
    store = JobStore(tmp_path)
    folder = tmp_path / ("0" * 32)
    folder.mkdir()
    (folder / "state.json").write_text(content)
    (tmp_path / "a file").write_text("x")
    assert store.unfinished() == ()


@pytest.mark.parametrize("name", ["..", "../x", "", "x" * 32, "0" * 31])
def test_job_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(ClientError):
        JobStore(tmp_path / "jobs").discard(name)
    assert (tmp_path / "x").exists()


def test_imports_only_the_standard_library_and_the_protocol() -> None:
    for path in CLIENT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert all(a.name.split(".")[0] in sys.stdlib_module_names for a in node.names), path
            elif isinstance(node, ast.ImportFrom) and not (node.level == 1 or path.name == "wire.py"):
                assert (node.module or "").split(".")[0] in sys.stdlib_module_names, path


def test_works_as_a_subpackage_of_an_extension(tmp_path: Path) -> None:
    """As Blender imports it: below another name, with nothing else on the path."""
    package = tmp_path / "some_extension"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "backend").symlink_to(CLIENT.parent, target_is_directory=True)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from some_extension.backend.client import EngineClient, Installer\n"
        "assert 'client' not in sys.modules and 'teethscape' not in sys.modules\n"
        "assert 'numpy' not in sys.modules\n"
        "print('some_extension.backend.teethscape.protocol' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
