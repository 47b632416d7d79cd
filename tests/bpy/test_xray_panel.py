"""The X-Ray panel: its request reaches the engine, what is missing is told, the overlay is shown."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from fake_layout import draw
from stage import speak

ROOT = Path(__file__).resolve().parents[2]


def _picture(path: Path, level: float) -> Path:
    image = bpy.data.images.new("made", 8, 4)
    image.pixels.foreach_set(np.tile(np.array([level, level, level, 1.0], np.float32), 8 * 4))
    image.file_format = "PNG"
    image.filepath_raw = str(path)
    image.save()
    bpy.data.images.remove(image)
    return path


@pytest.fixture
def xray(own_runtime, scene, tmp_path):
    """A picture and a network that is never opened, and a runtime in a folder of its own."""
    settings = scene.teethscape.xray
    bpy.ops.teeth.choose_xray(filepath=str(_picture(tmp_path / "röntgen.png", 0.5)))
    settings.weights = str(tmp_path / "net.onnx")
    return settings


def _speak(part, tmp_path, mode):
    speak(part, tmp_path, mode, "reader")


def test_the_button_asks_the_engine_and_leaves_the_other_panels_alone(part, xray, tmp_path):
    _speak(part, tmp_path, "ok")
    assert bpy.ops.teeth.segment_xray() == {"FINISHED"}
    state = part("session.view_state").state
    assert state.xray.state is part("backend.client").JobState.DONE
    assert state.job is None
    assert state.dataset is None
    assert state.xray.case == tmp_path / "Fälle" / "xrays"


def test_a_failure_is_told_with_its_remedy(part, xray, tmp_path):
    _speak(part, tmp_path, "refused")
    with pytest.raises(RuntimeError, match="Use other photos"):
        bpy.ops.teeth.segment_xray()
    assert any("Milk teeth" in text for text in draw(part("panels.xray").TEETH_PT_xray).texts)


def test_the_message_carries_command_and_request(part, xray):
    runtime = part("session.runtime").runtime()
    request = part("session.xray").build_request(xray)
    queue = runtime.reader._queue
    command = part("backend.teethscape.protocol").Command.SEGMENT_XRAY
    message = queue.begin(queue.add({"command": command.value, **request}))
    assert message.command is command
    assert set(message.request) == {"picture", "weights", "output"}
    assert all(Path(path).is_absolute() for path in message.request.values())


@pytest.mark.parametrize(("name", "reason"), [("picture", "No X-ray"), ("weights", "No network")])
def test_what_is_missing_is_told(part, xray, name, reason):
    setattr(xray, name, "")
    assert not bpy.ops.teeth.segment_xray.poll()
    assert any(reason in text for text in draw(part("panels.xray").TEETH_PT_xray).texts)


def test_a_folder_is_no_xray(xray, tmp_path):
    with pytest.raises(RuntimeError, match="picture file"):
        bpy.ops.teeth.choose_xray(filepath=str(tmp_path))


def test_a_finished_job_shows_its_overlay_and_shares(part, xray, monkeypatch, tmp_path):
    client, state = part("backend.client"), part("session.view_state").state
    classes = {"tooth": {"value": 1, "share": 0.1234}}
    summary = {"xrays": [{"overlay": str(_picture(tmp_path / "o.png", 0.25)), "classes": classes}]}
    done = client.JobView("j", tmp_path, client.JobState.DONE, summary=summary)
    monkeypatch.setattr(state, "xray", done)
    drawn = draw(part("panels.xray").TEETH_PT_xray)
    assert "Tooth: 12.3 % of the picture" in drawn.texts
    assert drawn.count("teeth.show_xray") == 1
    assert bpy.ops.teeth.show_xray() == {"FINISHED"}
    image = bpy.data.images[part("session.xray").IMAGE]
    assert Path(image.filepath) == tmp_path / "o.png"
    _picture(tmp_path / "o.png", 0.75)
    assert bpy.ops.teeth.show_xray() == {"FINISHED"}  # the next X-ray takes the same picture's place
    assert bpy.data.images[part("session.xray").IMAGE].pixels[0] == pytest.approx(0.75, abs=0.01)


def test_a_running_job_shows_progress_and_cancel_and_keeps_the_engine(part, xray, monkeypatch, tmp_path):
    client, state = part("backend.client"), part("session.view_state").state
    running = client.JobView("j", tmp_path, client.JobState.RUNNING, "segment_xray", "Looking", overall=0.4)
    monkeypatch.setattr(state, "xray", running)
    drawn = draw(part("panels.xray").TEETH_PT_xray)
    assert drawn.texts[0] == "Looking"
    assert [name for name, _, _ in drawn.buttons] == ["teeth.cancel_xray"]
    assert not bpy.ops.teeth.segment_xray.poll()
    assert not bpy.ops.teeth.install_engine.poll()
