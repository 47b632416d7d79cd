"""The engine's look at the photos: asked for, told in words at each slot, forgotten after a change."""

from __future__ import annotations

import bpy
import pytest
from fake_layout import draw
from stage import speak


def _photo(view, **changes):
    quality = {"verdict": "good", "findings": []}
    return {"view": view, "view_confidence": 0.97, "rotation": 0, "quality": quality, **changes}


@pytest.fixture
def photos(own_runtime, scene, tmp_path):
    """Five slots with files that are never opened."""
    settings = scene.teethscape
    for number, name in enumerate(
        ("anterior", "left_buccal", "right_buccal", "maxillary_occlusal", "mandibular_occlusal")
    ):
        getattr(settings, name).filepath = str(tmp_path / f"{number}.jpg")
    return settings


@pytest.fixture
def checked(part, photos, monkeypatch, tmp_path):
    """Pretend that the engine has answered."""

    def answer(entries, problems=()):
        client, state = part("backend.client"), part("session.view_state").state
        summary = {"photos": {str(k): entry for k, entry in entries.items()}, "problems": list(problems)}
        monkeypatch.setattr(
            state, "check", client.JobView("j", tmp_path, client.JobState.DONE, summary=summary)
        )
        monkeypatch.setattr(state, "checked", part("session.photo_check").slots_key(photos))
        return draw(part("panels.photos").TEETH_PT_photos).texts

    return answer


def test_the_button_asks_the_engine(part, photos, tmp_path):
    speak(part, tmp_path, "ok", "reader")
    assert bpy.ops.teeth.check_photos() == {"FINISHED"}
    state = part("session.view_state").state
    assert state.check.state is part("backend.client").JobState.DONE
    assert len(state.checked) == 5
    assert state.job is None


def test_a_missing_photo_is_told(part, photos):
    photos.anterior.filepath = ""
    assert not bpy.ops.teeth.check_photos.poll()
    assert "missing" in part("session.photo_check").why_not(photos)


def test_what_was_found_stands_at_each_slot(checked):
    blur = {
        "verdict": "doubtful",
        "findings": [{"reason": "blur", "value": 4.0, "text": "Blurred: take it again."}],
    }
    texts = checked(
        {
            0: _photo("anterior"),
            1: _photo("right_buccal"),
            2: _photo("left_buccal", rotation=180),
            3: _photo("maxillary_occlusal", quality=blur),
            4: _photo(None, quality={"verdict": "unusable", "findings": [{"text": "It shows no teeth."}]}),
        },
        ["2.jpg: something about the set."],
    )
    words = " ".join(texts)
    assert "Recognised (97 % sure)." in words
    assert "Shows the Right Buccal view" in words
    assert "Stands on its head" in words
    assert "Blurred: take it again." in words
    assert "It shows no teeth." in words
    assert "something about the set" in words


def test_a_check_is_forgotten_when_a_photo_changes(part, photos, checked):
    checked({0: _photo("anterior")}, ["A problem of the set."])
    found = part("session.photo_check")
    assert found.findings(photos)
    photos.anterior.mirrored = True
    assert not found.findings(photos)
    assert not found.set_problems(photos)


def test_the_message_carries_the_slots(part, photos):
    runtime = part("session.runtime").runtime()
    command = part("backend.teethscape.protocol").Command.CHECK_PHOTOS
    request = part("session.photo_check").check_request(photos)
    queue = runtime.reader._queue
    message = queue.begin(queue.add({"command": command.value, **request}))
    assert message.command is command
    assert [slot["view"] for slot in message.request["slots"]] == [0, 1, 2, 3, 4]
