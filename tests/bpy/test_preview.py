"""Unfinished surfaces in the scene: shown, renewed, gone when the job is over."""

from __future__ import annotations

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


def test_previews_that_nobody_remembers_go_when_no_surface_is_made(part, own_runtime, scene, job):
    refresh = part("session.previews").refresh_previews
    refresh(job)
    part("session.view_state").state.previews.clear()
    assert refresh(None)
    assert _previews() == []
