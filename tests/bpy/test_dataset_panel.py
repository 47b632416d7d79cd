"""The Dataset panel: what it asks for reaches the engine, and an end of any kind is shown."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from fake_layout import draw
from stage import speak

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def dataset(own_runtime, scene, tmp_path):
    """Settings of a small job, and a runtime in a folder of its own."""
    settings = scene.teethscape.dataset
    bpy.ops.teeth.choose_meshes(directory=str(tmp_path / "Zähne"))
    settings.output = str(tmp_path / "Satz")
    return settings


def _speak(part, tmp_path, mode):
    speak(part, tmp_path, mode, "farm")


def test_the_button_renders_and_the_panel_tells_the_end(part, dataset, scene, tmp_path):
    _speak(part, tmp_path, "ok")
    assert bpy.ops.teeth.render_dataset() == {"FINISHED"}
    view = part("session.view_state").state.dataset
    assert view.state is part("backend.client").JobState.DONE
    assert not any("Unfinished" in text for text in draw(part("panels.dataset").TEETH_PT_dataset).texts)
    assert part("session.view_state").state.job is None  # the Reconstruct panel has nothing to do with it


def test_a_crash_is_told_and_can_be_continued(part, dataset, tmp_path):
    _speak(part, tmp_path, "out-of-memory")
    with pytest.raises(RuntimeError, match="memory"):
        bpy.ops.teeth.render_dataset()
    drawn = draw(part("panels.dataset").TEETH_PT_dataset)
    assert drawn.count("teeth.resume_dataset") == 1
    _speak(part, tmp_path, "ok")
    job = part("session.view_state").state.dataset.id
    assert bpy.ops.teeth.resume_dataset(job=job) == {"FINISHED"}


def test_the_message_carries_the_command_also_after_a_restart(part, dataset):
    runtime = part("session.runtime").runtime()
    queue = part("backend.client.job_queue").JobQueue(
        part("backend.client").JobStore(runtime.farm._queue._store.folder)
    )
    command = part("backend.teethscape.protocol").Command.RENDER_DATASET
    view = queue.add({"command": command.value, **part("session.dataset").build_request(dataset)})
    again = part("backend.client.job_queue").JobQueue(queue._store)
    message = again.begin(again.add_again(view.id))
    assert message.command is command
    assert "command" not in message.request


def test_the_engine_understands_the_request(part, dataset):
    sys.path.insert(0, str(ROOT / "backend"))
    try:
        from teethscape.dataset.farm.request import RenderRequest
    finally:
        sys.path.remove(str(ROOT / "backend"))
    dataset.synthetic, dataset.image_size, dataset.samples = 3, 128, 16
    values = part("session.dataset").build_request(dataset)
    request = RenderRequest.from_json(values)
    shown = request.to_json()
    assert {name: shown[name] for name in values if name != "look"} == {
        name: value for name, value in values.items() if name != "look"
    }
    assert (request.look.image_size, request.look.samples, request.look.photo_width) == (128, 16, 640)
    assert (request.scripts / "render_worker.py").is_file()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.meshes.clear(), "Nothing to render"),
        (lambda s: setattr(s, "output", ""), "No output folder"),
        (lambda s: (setattr(s, "normals", False), setattr(s, "colors", False)), "choose at least one"),
    ],
)
def test_what_is_missing_is_told_with_the_remedy(part, dataset, change, reason):
    change(dataset)
    assert not bpy.ops.teeth.render_dataset.poll()
    assert reason in part("session.dataset").why_not(dataset)
    assert any(
        reason in text or reason.split()[0] in text
        for text in draw(part("panels.dataset").TEETH_PT_dataset).texts
    )


def test_meshes_are_listed_once_and_can_be_cleared(part, dataset, tmp_path):
    files = [{"name": "norm_upper.ply"}, {"name": "norm_lower.ply"}]
    for _ in range(2):
        bpy.ops.teeth.choose_meshes(directory=str(tmp_path / "P1"), files=files)
    assert [mesh.filepath for mesh in dataset.meshes[1:]] == [
        str(tmp_path / "P1" / "norm_upper.ply"), str(tmp_path / "P1" / "norm_lower.ply"),
    ]  # fmt: skip
    assert "P1/norm_upper.ply" in draw(part("panels.dataset").TEETH_PT_dataset).texts
    bpy.ops.teeth.clear_meshes()
    assert len(dataset.meshes) == 0


def test_the_end_is_told_in_words(part):
    text = part("panels.dataset").end_text
    summary = {"done": 3, "skipped": 2, "failed": [{"uid": "x"}], "size": 5_000_000}
    view = SimpleNamespace(summary=summary, elapsed_s=65.0)
    assert text(view) == "3 cases rendered in 1:05, 5 MB; 2 were there; 1 failed"
    assert text(SimpleNamespace(summary={}, elapsed_s=1.0)).startswith("0 cases")


def test_a_running_job_shows_progress_and_cancel_and_nothing_else(part, dataset, monkeypatch, tmp_path):
    client, state = part("backend.client"), part("session.view_state").state
    running = client.JobView("j", tmp_path, client.JobState.RUNNING, "render", "3 of 8 cases", overall=0.4)
    monkeypatch.setattr(state, "dataset", running)
    drawn = draw(part("panels.dataset").TEETH_PT_dataset)
    assert drawn.texts[0] == "3 of 8 cases"
    assert [name for name, _, _ in drawn.buttons] == ["teeth.cancel_dataset"]
    assert not bpy.ops.teeth.render_dataset.poll()
    assert not bpy.ops.teeth.install_engine.poll()  # it would take the engine away from under the job
