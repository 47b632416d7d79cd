"""Unfinished surfaces in the scene: shown, renewed, gone when the job is over."""

from __future__ import annotations

import os
import shutil
from types import SimpleNamespace

import bpy
import pytest


@pytest.fixture
def job(case_folder, tmp_path):
    """A job that makes surfaces, and has just written its first unfinished one."""
    folder = tmp_path / "meshes" / "surface"
    folder.mkdir(parents=True)
    source = next((case_folder / "meshes" / "teeth").glob("*.ply"))
    shutil.copyfile(source, folder / "upper.preview.ply")
    return SimpleNamespace(case=tmp_path, stage="wrap", state=SimpleNamespace(is_over=False))


def _previews() -> list[bpy.types.Object]:
    return [item for item in bpy.data.objects if item.name.startswith("Preview")]


def _in_scene() -> list[str]:
    return [item.name for item in bpy.context.scene.objects if item.name.startswith("Preview")]


def _rewrite(job) -> None:
    """The engine has written the preview anew."""
    path = job.case / "meshes" / "surface" / "upper.preview.ply"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**6))


def _push(message: str) -> None:
    bpy.ops.ed.undo_push(message=message)


def _edit(*items: bpy.types.Object) -> None:
    """Work in Edit Mode as a user does: every click is an undo step; the first is the active object."""
    bpy.context.view_layer.objects.active = items[0]
    for item in items:
        item.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    _push("enter")
    bpy.ops.mesh.select_all(action="SELECT")
    _push("select")
    bpy.ops.transform.translate(value=(1, 0, 0))
    _push("move")


def _own() -> bpy.types.Object:
    """An object that the user has made."""
    mesh = bpy.data.meshes.new("Own")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    own = bpy.data.objects.new("Own", mesh)
    bpy.context.scene.collection.objects.link(own)
    return own


def _walk() -> None:
    """Undo and redo everything, more than once; no preview is ever in the scene."""
    for step in (bpy.ops.ed.undo, bpy.ops.ed.redo) * 2:
        while step.poll():
            step()
            assert _in_scene() == []


def test_a_preview_is_shown_once_and_renewed_when_its_file_is(part, own_runtime, scene, job):
    refresh = part("session.previews").refresh_previews
    assert refresh(job)
    assert not refresh(job)
    (shown,) = _previews()
    first = shown.data.name
    assert len(shown.data.vertices) > 10
    source = job.case / "meshes" / "surface" / "upper.preview.ply"
    shutil.copyfile(source, source.with_name("lower.preview.ply"))
    source.touch()
    assert refresh(job)
    assert len(_previews()) == 2
    assert shown.data.name != first
    assert first not in bpy.data.meshes


def test_the_first_preview_of_a_job_is_brought_into_view(
    part, own_runtime, scene, job, case_folder, monkeypatch
):
    previews, seen = part("session.previews"), []
    monkeypatch.setattr(previews, "bring_into_view", lambda items: seen.append(items[0].name))
    for _ in range(2):
        previews.refresh_previews(job)
        _rewrite(job)
    assert seen == ["Preview upper"]
    previews.refresh_previews(None)
    bpy.ops.teeth.open_case(directory=str(case_folder))  # and the view is where the user wants it
    previews.refresh_previews(job)
    assert seen == ["Preview upper"]


@pytest.mark.parametrize("stage", ["done", "another"])
def test_previews_go_with_their_stage(part, own_runtime, scene, job, stage):
    refresh = part("session.previews").refresh_previews
    refresh(job)
    over = SimpleNamespace(is_over=stage == "done")
    assert refresh(SimpleNamespace(case=job.case, stage="write", state=over))
    assert _previews() == []
    assert not refresh(None)


def test_a_damaged_file_shows_nothing(part, own_runtime, scene, job):
    (job.case / "meshes" / "surface" / "upper.preview.ply").write_bytes(b"ply\nno")
    assert not part("session.previews").refresh_previews(job)
    assert _previews() == []


def test_previews_that_were_saved_go_when_their_file_is_opened(part, own_runtime, scene, job, tmp_path):
    previews = part("session.previews")
    previews.refresh_previews(job)
    (shown,) = _previews()
    twin = shown.copy()  # shares the mesh, as a linked duplicate does
    scene.collection.objects.link(twin)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert _previews() == []
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    assert _previews() == []
    assert not previews.refresh_previews(None)


def test_a_running_job_is_shown_again_in_a_file_that_is_opened(part, own_runtime, scene, job):
    refresh = part("session.previews").refresh_previews
    refresh(job)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert refresh(job)
    assert len(_previews()) == 1


def test_a_running_job_is_not_shown_in_another_file(part, own_runtime, scene, job, tmp_path):
    refresh = part("session.previews").refresh_previews
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "own.blend"))
    own_runtime.runtime().aim_at(scene)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"))
    assert not refresh(job)
    assert _previews() == []
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "own.blend"))
    assert refresh(job)


def test_previews_that_nobody_remembers_go_when_no_surface_is_made(part, own_runtime, scene, job):
    refresh = part("session.previews").refresh_previews
    refresh(job)
    part("session.view_state").state.previews.clear()
    assert refresh(None)
    assert _previews() == []


def test_undo_brings_no_preview_back_when_the_job_is_over(part, own_runtime, scene, job):
    refresh = part("session.previews").refresh_previews
    _push("before")
    refresh(job)
    _push("something during training")
    assert refresh(None)
    _push("Reconstruct Teeth")
    bpy.ops.ed.undo()
    assert _previews() == []
    bpy.ops.ed.redo()
    assert _previews() == []
    _walk()
    assert _previews() == []
    assert not [mesh for mesh in bpy.data.meshes if mesh.name.startswith("Preview")]


def test_undo_while_the_job_runs_leaves_one_preview_of_each_jaw(part, own_runtime, scene, job, monkeypatch):
    refresh, state = part("session.previews").refresh_previews, part("session.view_state").state
    monkeypatch.setattr(state, "job", job)
    _push("before")
    _own()
    _push("without previews")
    refresh(job)
    _push("with one")
    _rewrite(job)
    refresh(job)
    _push("with the next")
    for step in (bpy.ops.ed.undo, bpy.ops.ed.redo) * 2:
        while step.poll():
            step()
            assert refresh(job)
            assert len(_in_scene()) == len(_previews()) == 1
            assert not refresh(job)
    assert refresh(None)
    assert _previews() == []


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT"])
def test_a_preview_that_is_edited_is_renewed_afterwards(part, own_runtime, scene, job, mode):
    refresh = part("session.previews").refresh_previews
    refresh(job)
    (shown,) = _previews()
    first = shown.data.name
    bpy.context.view_layer.objects.active = shown
    bpy.ops.object.mode_set(mode=mode)
    _rewrite(job)
    assert not refresh(job)
    assert (shown.mode, shown.data.name, len(bpy.data.meshes)) == (mode, first, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert refresh(job)
    assert shown.data.name != first
    assert len(_previews()) == len(bpy.data.meshes) == 1


def test_a_mesh_that_the_user_has_taken_over_stays(part, own_runtime, scene, job):
    refresh, own = part("session.previews").refresh_previews, _own()
    refresh(job)
    for look in (job, None):
        (shown,) = _previews()
        own.data = shown.data
        _rewrite(job)
        assert refresh(look)
        assert own.name == "Own"
        assert len(own.data.vertices) > 10
    assert _previews() == []


def test_a_job_that_ends_while_its_preview_is_edited_is_one_undo_step(
    part, own_runtime, scene, job, case_folder, monkeypatch
):
    refresh, ticker = part("session.previews").refresh_previews, part("session.ticker")
    _push("before")
    refresh(job)
    _push("shown")
    _edit(_previews()[0])
    assert refresh(None)
    assert not refresh(None)
    assert (_in_scene(), bpy.context.mode) == ([], "OBJECT")
    view = part("backend.client").JobView("j", case_folder)
    monkeypatch.setattr(part("session.view_state").state, "job", view)
    ticker._deliver()
    assert len(bpy.context.scene.objects) > 28
    bpy.ops.ed.undo()
    assert len(bpy.context.scene.objects) == 0
    _walk()


@pytest.mark.parametrize("leaves", [False, True])
def test_steps_of_a_preview_that_was_edited_and_is_gone_can_be_undone(part, own_runtime, scene, job, leaves):
    refresh = part("session.previews").refresh_previews
    _push("before")
    refresh(job)
    _push("shown")
    _edit(_previews()[0])
    if leaves:
        bpy.ops.object.mode_set(mode="OBJECT")
        _push("leave")
        refresh(job)
    assert refresh(None)
    _walk()
    assert refresh(job)
    assert len(_in_scene()) == 1


def test_what_is_edited_together_with_a_preview_stays_in_edit_mode(part, own_runtime, scene, job):
    refresh, own = part("session.previews").refresh_previews, _own()
    refresh(job)
    _edit(_previews()[0], own)
    assert refresh(None)
    assert (bpy.context.active_object, bpy.context.mode) == (own, "EDIT_MESH")
    bpy.ops.object.mode_set(mode="OBJECT")
    assert own.mode == "OBJECT"


def test_a_preview_that_was_saved_in_edit_mode_goes_when_its_file_is_opened(
    part, own_runtime, scene, job, tmp_path
):
    refresh, path = part("session.previews").refresh_previews, str(tmp_path / "saved.blend")
    refresh(job)
    _edit(_previews()[0])
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert (_in_scene(), bpy.context.mode) == ([], "OBJECT")


def test_previews_go_when_the_extension_is_disabled(part, scene, job):
    part("session.previews").refresh_previews(job)
    part("").unregister()
    try:
        assert _previews() == []
    finally:
        part("").register()


def test_a_registration_that_fails_while_blender_starts_is_undone(part, monkeypatch):
    from _bpy_restrict_state import RestrictBlend

    package = part("")
    package.unregister()
    with monkeypatch.context() as patch, RestrictBlend():
        patch.setattr(part("cli"), "register", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            package.register()
    package.register()
