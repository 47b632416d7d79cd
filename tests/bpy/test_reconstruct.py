"""From the button to the scene, with an engine that only speaks, and one request for both."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import bpy
import pytest
from stage import speak

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ready(own_runtime, scene, case_folder):
    """Slots that point to the case's photos, and a runtime in a folder of its own."""
    bpy.ops.teeth.load_photos(directory=str(case_folder / "photos"))
    return scene.teethscape


def _speak(part, tmp_path, mode):
    speak(part, tmp_path, mode, "client")


def test_the_button_fills_the_scene(part, ready, scene, case_folder, tmp_path):
    _speak(part, tmp_path, "ok")
    ready.case_folder = str(case_folder)
    assert bpy.ops.teeth.reconstruct() == {"FINISHED"}
    assert "FDI_11" in scene.objects
    assert part("session.result").result_of(scene).teeth[11].confidence == pytest.approx(0.98)


def test_a_crash_is_told_and_leaves_the_scene_alone(part, ready, scene, tmp_path):
    _speak(part, tmp_path, "out-of-memory")
    with pytest.raises(RuntimeError, match="memory"):
        bpy.ops.teeth.reconstruct()
    assert "FDI_11" not in scene.objects


def test_without_an_engine_the_message_says_what_to_do(ready):
    with pytest.raises(RuntimeError, match=r"not installed.*Setup"):
        bpy.ops.teeth.reconstruct()


def test_a_missing_photo_disables_the_button_with_reason_and_remedy(part, ready):
    bpy.ops.teeth.clear_photo(view="ANTERIOR")
    assert not bpy.ops.teeth.reconstruct.poll()
    assert part("session.readiness").why_not(ready) == "Anterior photo missing: load in Photos"
    ready.jaws = "lower"
    bpy.ops.teeth.clear_photos()
    assert part("session.readiness").why_not(ready).startswith("4 photos missing")


def test_the_request_says_what_the_sidebar_says(part, ready, scene, case_folder):
    bpy.ops.teeth.turn_photo(view="RIGHT_BUCCAL", way="LEFT")
    bpy.ops.teeth.add_known_length()
    ready.known_lengths[0].mm = 8.6
    ready.jaws = "upper"
    request = part("session.request").build_request(ready, Path("/cases/one"))
    assert request["known_lengths"] == ["11=8.600"]
    assert [slot["view"] for slot in request["slots"]] == [0, 1, 2, 3]
    assert request["slots"][2] == {
        "view": 2, "path": str(case_folder / "photos" / "2.png"), "quarter_turns": 1, "mirrored": False,
    }  # fmt: skip
    assert (request["masks"], request["absent_teeth"], request["output"]) == (None, [], "/cases/one")


def test_the_engine_understands_the_request(part, ready):
    sys.path.insert(0, str(ROOT / "backend"))
    try:
        from teethscape.dental.request import ReconstructRequest
    finally:
        sys.path.remove(str(ROOT / "backend"))
    bpy.ops.teeth.add_known_length()
    values = part("session.request").build_request(ready, Path("/cases/one"))
    request = ReconstructRequest.from_json(values)
    assert (
        request.to_json().items()
        >= {key: value for key, value in values.items() if key != "known_lengths"}.items()
    )
    assert str(request.known_lengths[0]) == "11=8.6"


def test_absent_teeth_travel_with_the_next_request(part, ready, scene, case_folder):
    bpy.ops.teeth.open_case(directory=str(case_folder))
    tooth = part("scene.find").find_tooth(scene, 17).teethscape
    tooth.present = False
    assert part("session.request").build_request(ready, Path("/x"))["absent_teeth"] == [17]
    tooth.present = True
    assert part("session.request").build_request(ready, Path("/x"))["absent_teeth"] == []


def test_absent_teeth_are_remembered_when_the_result_lacks_them(part, ready, scene, case_folder, tmp_path):
    copy = shutil.copytree(case_folder, tmp_path / "case")
    document = json.loads((copy / "case.json").read_text())
    document["teeth"] = [tooth for tooth in document["teeth"] if tooth["fdi"] != 17]
    document["request"] = {"absent_teeth": [17]}
    (copy / "case.json").write_text(json.dumps(document))
    bpy.ops.teeth.open_case(directory=str(copy))
    assert part("session.request").build_request(ready, Path("/x"))["absent_teeth"] == [17]
    bpy.ops.teeth.toggle_absent(fdi=17)
    assert ready.absent_teeth == set()
    ready.absent_teeth = {24}
    bpy.ops.teeth.open_case(directory=str(case_folder))  # another case brings its own list
    assert ready.absent_teeth == set()


def _noted(case_folder, folder, request):
    """A case that knows what it was asked, and its photos."""
    copy = shutil.copytree(case_folder, folder)
    document = json.loads((copy / "case.json").read_text())
    document["request"] = request
    for photo in document["photos"].values():
        photo["source_sha256"] = hashlib.sha256((copy / photo["file"]).read_bytes()).hexdigest()
    (copy / "case.json").write_text(json.dumps(document))
    return copy


def test_a_case_that_is_opened_brings_what_it_was_asked_with(part, ready, case_folder, tmp_path):
    views = {
        "weights": "own.safetensors", "steps": 20, "repaint": 1, "surface": "gspull", "preset": None,
        "budget_s": None, "foreground": "fit", "background": "white", "precision": "fp32", "memory": "small",
    }  # fmt: skip
    asked = {"engine": "teethdreamer", "jaws": "upper", "seed": 7, "known_lengths": ["11=8.6", "33-43=26.5"]}
    build = part("session.request").build_request
    ready.views.weights, ready.views.preview = "/mine.safetensors", True
    bpy.ops.teeth.add_known_length()
    bpy.ops.teeth.open_case(directory=str(_noted(case_folder, tmp_path / "a", {**asked, "views": views})))
    made = build(ready, Path("/x"))
    assert made["views"] == {**views, "weights": "/mine.safetensors"}
    assert (made["engine"], made["jaws"], made["seed"]) == ("teethdreamer", "upper", 7)
    assert made["known_lengths"] == ["11=8.600", "33-43=26.500"]
    later = {"engine": "of tomorrow", "views": {**views, "surface": None, "steps": "many"}}
    bpy.ops.teeth.open_case(directory=str(_noted(case_folder, tmp_path / "b", later)))
    made = build(ready, Path("/x"))
    assert (made["engine"], made["views"]["surface"], made["views"]["steps"]) == ("teethdreamer", None, 20)
    assert made["known_lengths"] == []


def test_another_patients_photos_are_not_applied_to_a_case(part, ready, scene, case_folder, tmp_path):
    _speak(part, tmp_path, "refused")
    folder = _noted(case_folder, tmp_path / "a", {})
    bpy.ops.teeth.open_case(directory=str(folder))
    with pytest.raises(RuntimeError, match=r"Error: (?!The loaded photos)"):
        bpy.ops.teeth.reconstruct(into_result=True)
    job = part("session.view_state").state.job
    assert job.case == folder
    other = tmp_path / "0.png"
    other.write_bytes((case_folder / "photos" / "0.png").read_bytes() + b"retaken")
    ready.anterior.filepath = str(other)
    with pytest.raises(RuntimeError, match="photos are not those of this case"):
        bpy.ops.teeth.reconstruct(into_result=True)
    assert part("session.view_state").state.job is job


def test_new_cases_have_folders_of_their_own(part, ready):
    new = part("session.request").new_case_folder
    assert new() != new()
