"""The Networks panel: what the engine lists is drawn, no download before the licence was accepted."""

from __future__ import annotations

import bpy
import pytest
from fake_layout import draw
from stage import speak

MODELS = (
    {
        "id": "sam-vit-b", "title": "Segment Anything", "purpose": "tooth masks", "bytes": 375_000_000,
        "licence": "Apache-2.0", "terms": "Free for any use.", "commercial_use": "yes", "page": "https://x",
        "installed": False, "downloadable": True,
    },
    {
        "id": "teethdreamer", "title": "TeethDreamer", "purpose": "views", "bytes": 9_000_000_000,
        "licence": "unknown", "terms": "Ask.", "commercial_use": "unclear", "page": "https://y",
        "installed": True, "downloadable": False,
    },
)  # fmt: skip


@pytest.fixture
def state(part, own_runtime, scene):
    return part("session.view_state").state


def test_listing_asks_the_engine(part, state, tmp_path):
    speak(part, tmp_path, "ok", "loader")
    assert draw(part("panels.weights").TEETH_PT_weights).count("teeth.list_weights") == 1
    assert bpy.ops.teeth.list_weights() == {"FINISHED"}
    assert state.weights.state is part("backend.client").JobState.DONE
    assert state.models == ()
    assert state.job is None


def test_every_model_has_its_licence_and_the_way_to_get_it(part, state):
    state.models = MODELS
    drawn = draw(part("panels.weights").TEETH_PT_weights)
    assert {"375 MB", "Licence: Apache-2.0"} <= set(drawn.texts)
    assert [p.model for name, p, _ in drawn.buttons if name == "teeth.install_weights"] == ["sam-vit-b"]
    assert "Installed" in drawn.texts
    assert drawn.count("teeth.import_weights") == 1


def test_without_the_licence_nothing_is_asked(part, state, monkeypatch):
    state.models = MODELS
    monkeypatch.setattr(part("operators.weights"), "why_not", lambda downloads=False: "")
    with pytest.raises(RuntimeError, match="licence was not accepted"):
        bpy.ops.teeth.install_weights(model="sam-vit-b")
    assert state.weights is None


def test_an_accepted_licence_reaches_the_engine(part, state):
    request = part("session.weights").weights_request("install", model="sam-vit-b", accepted=True)
    command = part("backend.teethscape.protocol").Command.WEIGHTS
    queue = part("session.runtime").runtime().loader._queue
    message = queue.begin(queue.add({"command": command.value, **request}))
    assert message.command is command
    assert (message.request["action"], message.request["model"]) == ("install", "sam-vit-b")
    assert message.request["accepted"] is True


def test_no_download_without_online_access(part, state):
    assert not bpy.app.online_access  # as the tests start Blender
    assert "may not use the network" in part("session.weights").why_not(downloads=True)
    assert part("session.weights").why_not() == ""
    assert not bpy.ops.teeth.install_weights.poll()


def test_a_file_that_is_not_there_is_refused(state, tmp_path):
    with pytest.raises(RuntimeError, match="Choose a file"):
        bpy.ops.teeth.import_weights(filepath=str(tmp_path / "none.pth"))


def test_a_running_download_shows_progress_and_cancel(part, state, tmp_path, monkeypatch):
    client = part("backend.client")
    running = client.JobView(
        "j", tmp_path, client.JobState.RUNNING, "download", "a.pth 3 of 9 MB", overall=0.3
    )
    monkeypatch.setattr(state, "weights", running)
    drawn = draw(part("panels.weights").TEETH_PT_weights)
    assert drawn.texts[0] == "a.pth 3 of 9 MB"
    assert [name for name, _, _ in drawn.buttons] == ["teeth.cancel_weights"]
    assert not bpy.ops.teeth.install_engine.poll()


def test_how_it_ended_is_told(part, state, tmp_path, monkeypatch):
    client = part("backend.client")
    problem = client.Problem("download_failed", "It broke.", "Try again.")
    for view, words in (
        (client.JobView("j", tmp_path, client.JobState.FAILED, problem=problem), "It broke."),
        (client.JobView("j", tmp_path, client.JobState.CANCELLED), "continues where it stopped"),
        (client.JobView("j", tmp_path, client.JobState.DONE, summary={"added": ["sam-vit-b"]}), "sam-vit-b"),
    ):
        monkeypatch.setattr(state, "weights", view)
        assert words in " ".join(draw(part("panels.weights").TEETH_PT_weights).texts)
