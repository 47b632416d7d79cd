"""Clicks in the Image Editor, without a window: what is asked of the engine and what becomes of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from stage import speak


@pytest.fixture
def shown(part, own_runtime, scene, case_folder, tmp_path):
    """A case that is shown, its first photo in an editor, and an engine that only speaks."""
    copy = shutil.copytree(case_folder, tmp_path / "case")
    document = json.loads((copy / "case.json").read_text())
    for key, photo in document["photos"].items():
        content = (case_folder / "photos" / f"{key}.png").read_bytes()
        photo |= {"source_sha256": hashlib.sha256(content).hexdigest(), "quarter_turns": 0, "mirrored": False}
    (copy / "case.json").write_text(json.dumps(document))
    bpy.ops.teeth.load_photos(directory=str(case_folder / "photos"))
    speak(part, tmp_path, "ok", "clicks", "client")
    bpy.ops.teeth.open_case(directory=str(copy))
    image = bpy.data.images.load(str(copy / "photos" / "0.png"))
    space = SimpleNamespace(image=image, type="IMAGE_EDITOR")
    return SimpleNamespace(scene=scene, space_data=space, case=copy)


def test_without_a_case_the_reason_is_told(part, scene):
    context = SimpleNamespace(scene=scene, space_data=None)
    assert "No case yet" in part("session.clicking").why_no_clicks(context)
    assert not bpy.ops.teeth.click_tooth.poll()
    assert not bpy.ops.teeth.show_photo.poll()
    assert not bpy.ops.teeth.refit.poll()


def test_only_photos_of_the_case_are_clicked(part, shown):
    clicking = part("session.clicking")
    assert clicking.clicked_view(shown).slug == "anterior"
    assert clicking.why_no_clicks(shown) == ""
    shown.space_data.image = bpy.data.images.new("other", 8, 8)
    assert "Show one of the case's photos" in clicking.why_no_clicks(shown)


def test_clicks_travel_to_the_engine_and_the_mask_comes_back(part, shown):
    clicking = part("session.clicking").begin_clicking(shown)
    assert clicking.board.size == (720, 480)
    clicking.wait()
    assert set(clicking.board.teeth) == {11}
    clicking.board.release((100.0, 60.0), (100.0, 60.0), 0.0, True)
    clicking.tick()
    clicking.wait()
    assert clicking.board.mask == [[[95, 55], [105, 55], [105, 65], [95, 65]]]
    assert clicking.board.tooth == 12
    assert not clicking.tick()  # nothing new: nothing is sent
    assert not clicking.busy
    assert clicking.accept()
    clicking.wait()
    assert clicking.accepted == (12,)
    assert clicking.board.marks == []


def test_nothing_is_accepted_before_a_mask_has_a_number(part, shown):
    clicking = part("session.clicking").begin_clicking(shown)
    clicking.wait()
    assert not clicking.accept()


def _press(part, clicking, kind, **more):
    event = SimpleNamespace(type=kind, value="PRESS", ctrl=False, **more)
    operator = SimpleNamespace(_clicking=clicking, _area=SimpleNamespace(tag_redraw=lambda: None),
                               report=lambda *_: None)  # fmt: skip
    return part("operators.clicks").TEETH_OT_click_tooth._key(operator, event)


def test_keys_undo_and_type_numbers(part, shown):
    clicking = part("session.clicking").begin_clicking(shown)
    clicking.wait()
    for x in (100.0, 120.0):
        clicking.board.release((x, 60.0), (x, 60.0), 0.0, True)
    assert _press(part, clicking, "BACK_SPACE") == {"RUNNING_MODAL"}
    assert len(clicking.board.marks) == 1
    for kind in ("TWO", "NUMPAD_4"):
        _press(part, clicking, kind)
    assert clicking.board.tooth == 24
    assert _press(part, clicking, "WHEELUPMOUSE") == {"PASS_THROUGH"}
    assert _press(part, clicking, "RET") == {"RUNNING_MODAL"}  # no mask yet: nothing is sent


def test_another_photo_in_the_editor_ends_the_clicking(part, shown):
    clicking = part("session.clicking").begin_clicking(shown)
    clicking.wait()
    said = []
    operator = SimpleNamespace(_clicking=clicking, report=lambda _kind, text: said.append(text))
    hear = part("operators.clicks").TEETH_OT_click_tooth._hear
    shown.space_data.image = None
    assert hear(operator, shown, SimpleNamespace(type="TIMER")) == {"CANCELLED"}
    assert "Another picture" in said[0]


def test_a_second_click_session_is_refused_until_the_first_has_ended(part, shown):
    clicking, state = part("session.clicking"), part("session.view_state").state
    operator = part("operators.clicks").TEETH_OT_click_tooth
    done = []
    window = SimpleNamespace(event_timer_remove=done.append)
    context = SimpleNamespace(window_manager=window, workspace=SimpleNamespace(status_text_set=done.append))
    own = SimpleNamespace(_overlay=SimpleNamespace(remove=lambda: None), _timer="timer",
                          _area=SimpleNamespace(tag_redraw=lambda: None), report=lambda *_: None)  # fmt: skip
    own._stop = lambda context: operator._stop(own, context)
    state.clicking = True
    assert "clicked already" in clicking.why_no_clicks(shown)
    with pytest.raises(part("backend.client").ClientError, match="clicked already"):
        clicking.begin_clicking(shown)
    own._hear = lambda *_: {"RUNNING_MODAL"}
    operator.modal(own, context, None)
    assert state.clicking
    own._hear = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        operator.modal(own, context, None)
    assert not state.clicking
    assert done == ["timer", None]
    assert clicking.why_no_clicks(shown) == ""


def test_a_refit_takes_the_corrected_masks_and_the_recognised_poses(part, shown, case_folder):
    clicking, client = part("session.clicking"), part("backend.client")
    settings = shown.scene.teethscape
    with pytest.raises(client.ClientError, match="No mask"):
        clicking.build_refit(settings, shown.case)
    (shown.case / "masks" / "corrected").mkdir(parents=True)
    request = clicking.build_refit(settings, shown.case)
    assert request["masks"] == str(shown.case / "masks" / "corrected")
    assert (request["mask_values"], request["trust_views"], request["output"]) == (
        "named",
        True,
        str(shown.case),
    )
    assert [Path(slot["path"]) for slot in request["slots"]] == [
        case_folder / "photos" / f"{k}.png" for k in range(5)
    ]
    assert bpy.ops.teeth.refit() == {"FINISHED"}
    bpy.ops.teeth.clear_photos()
    with pytest.raises(client.ClientError, match="Load them in Photos"):
        clicking.build_refit(settings, shown.case)
