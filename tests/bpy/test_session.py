"""What lives beyond one click: undo, reopened files, unfinished jobs."""

from __future__ import annotations

import shutil

import bpy
import case_factory
import pytest
from fake_layout import draw
from stage import speak


def _teeth():
    return [item for item in bpy.data.objects if item.teethscape.kind == "TOOTH"]


def test_a_case_is_one_undo_step(part, scene, case_folder):
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.teeth.open_case("EXEC_DEFAULT", True, directory=str(case_folder))
    assert len(_teeth()) == 28
    bpy.ops.ed.undo()
    assert _teeth() == []
    assert not bpy.context.scene.collection.children
    bpy.ops.ed.redo()
    assert len(_teeth()) == 28


def test_a_finished_job_is_one_undo_step(part, scene, case_folder, monkeypatch):
    ticker, view_state = part("session.ticker"), part("session.view_state")
    job = part("backend.client").JobView("j", case_folder)
    monkeypatch.setattr(view_state.state, "job", job)
    bpy.ops.ed.undo_push(message="before")
    ticker._deliver()
    assert len(_teeth()) == 28
    bpy.ops.ed.undo()
    assert _teeth() == []


def test_a_reopened_file_knows_its_case(part, scene, case_folder, tmp_path):
    bpy.ops.teeth.open_case(directory=str(case_folder))
    path = tmp_path / "Patient ß.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    result = part("session.result").result_of(bpy.context.scene)
    assert result.teeth[36].fdi == 36
    cameras = [item for item in bpy.data.objects if item.teethscape.kind == "PHOTO_CAMERA"]
    assert len(cameras) == 5
    assert {tuple(camera.data.background_images[0].image.size) for camera in cameras} == {case_factory.SIZE}


def test_a_file_whose_case_folder_is_gone_still_opens(part, scene, case_folder, tmp_path):
    copy = shutil.copytree(case_folder, tmp_path / "copy")
    bpy.ops.teeth.open_case(directory=str(copy))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "x.blend"))
    shutil.rmtree(copy)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "x.blend"))
    assert part("session.result").result_of(bpy.context.scene) is None
    assert len(_teeth()) == 28
    words = " ".join(draw(part("panels.result").TEETH_PT_result).texts)
    assert "cannot be read" in words
    assert "case.json is missing" in words
    copy.with_name("renamed").mkdir()
    shutil.copytree(case_folder, copy.with_name("renamed"), dirs_exist_ok=True)
    bpy.ops.teeth.open_case(directory=str(copy.with_name("renamed")))
    assert draw(part("panels.result").TEETH_PT_result).texts[0] == "renamed"
    assert len(_teeth()) == 28


@pytest.mark.parametrize("lost", ["a mesh", "all"])
def test_a_finished_case_that_cannot_be_shown_is_told(part, scene, case_folder, tmp_path, monkeypatch, lost):
    client, state = part("backend.client"), part("session.view_state").state
    copy = shutil.copytree(case_folder, tmp_path / "copy")
    if lost == "all":
        shutil.rmtree(copy)
    else:
        (copy / "meshes" / "teeth" / "FDI_36.ply").unlink()
    monkeypatch.setattr(state, "job", client.JobView("j", copy, client.JobState.DONE))
    monkeypatch.setattr(state, "unreadable", {})
    part("session.ticker")._deliver()
    panel = part("panels.reconstruct").TEETH_PT_reconstruct
    words = " ".join(draw(panel).texts)
    assert "The teeth cannot be shown." in words
    assert ("FDI_36.ply" if lost == "a mesh" else "case.json is missing") in words
    shutil.copytree(case_folder, copy, dirs_exist_ok=True)
    part("session.ticker")._deliver()
    assert "The teeth cannot be shown." not in " ".join(draw(panel).texts)
    assert len(_teeth()) == 28


@pytest.fixture
def crashing(part, own_runtime, scene, case_folder, tmp_path):
    """A runtime whose engine dies with every job."""
    speak(part, tmp_path, "crash", "client")
    client = own_runtime.runtime().client
    client._patience = part("backend.client").Patience(restart_s=0.01)
    bpy.ops.teeth.load_photos(directory=str(case_folder / "photos"))
    scene.teethscape.case_folder = str(tmp_path / "case")
    return client


def test_a_crashed_job_can_be_discarded(part, crashing):
    with pytest.raises(RuntimeError):
        bpy.ops.teeth.reconstruct()
    unfinished = crashing.unfinished()
    assert len(unfinished) == 1
    assert not _teeth()
    bpy.ops.teeth.discard_job(job=unfinished[0].id)
    assert crashing.unfinished() == ()
    assert part("session.view_state").state.unfinished == ()


def test_a_crashed_job_can_be_continued(part, crashing, case_folder, tmp_path):
    with pytest.raises(RuntimeError):
        bpy.ops.teeth.reconstruct()
    (job,) = crashing.unfinished()
    shutil.copytree(case_folder, tmp_path / "case")  # what the engine would write
    speak(part, tmp_path, "ok", "client")
    assert bpy.ops.teeth.resume_job(job=job.id) == {"FINISHED"}
    assert len(_teeth()) == 28


def test_another_engine_folder_means_another_engine(part, scene, tmp_path):
    addon, runtime = part("preferences").preferences(), part("session.runtime")
    addon.engine_folder = str(tmp_path / "one")
    first = runtime.runtime()
    addon.engine_folder = str(tmp_path / "two")
    assert not runtime.has_runtime()
    assert runtime.runtime().installer.folder.root == tmp_path / "two"
    assert runtime.runtime() is not first
    addon.engine_folder = ""


def test_a_result_goes_to_its_scene_under_another_name_and_after_undo(
    part, own_runtime, scene, case_folder, tmp_path, monkeypatch
):
    own_runtime.runtime().aim_at(scene)
    bpy.ops.ed.undo_push(message="begun")
    scene.name = "Patient 7"
    bpy.ops.ed.undo_push(message="renamed")
    other = bpy.data.scenes.new("Scene")
    bpy.context.window.scene = other
    bpy.ops.ed.undo_push(message="another scene")
    bpy.ops.object.empty_add()
    bpy.ops.ed.undo_push(message="something")
    bpy.ops.ed.undo()
    monkeypatch.setattr(
        part("session.view_state").state, "job", part("backend.client").JobView("j", case_folder)
    )
    part("session.ticker")._deliver()
    found = {one.name: one.teethscape.result_folder != "" for one in bpy.data.scenes}
    assert found == {"Patient 7": True, "Scene": False}
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "x.blend"))
    own_runtime.runtime().aim_at(bpy.data.scenes["Patient 7"])
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "x.blend"))
    assert own_runtime.target_scene() == bpy.data.scenes["Patient 7"]


def test_a_result_does_not_go_to_another_file_than_the_one_that_asked(
    part, own_runtime, scene, case_folder, tmp_path, monkeypatch
):
    for name in ("other", "own"):
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / f"{name}.blend"))
    own_runtime.runtime().aim_at(scene)
    state, deliver = part("session.view_state").state, part("session.ticker")._deliver
    monkeypatch.setattr(state, "job", part("backend.client").JobView("j", case_folder))
    monkeypatch.setattr(state, "unreadable", {})
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"))
    deliver()
    assert not bpy.context.scene.teethscape.result_folder
    assert str(case_folder) in state.unreadable[case_folder]
    assert "Open Case" in state.unreadable[case_folder]
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"))
    assert "Open Case" in state.unreadable[case_folder]
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "own.blend"))
    deliver()
    assert bpy.context.scene.teethscape.result_folder == str(case_folder)
    assert not state.unreadable
