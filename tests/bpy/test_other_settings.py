"""A job that came to no end goes on in its case with other settings, while it is about the same photos."""

from __future__ import annotations

import shutil

import bpy
import pytest
from stage import speak


@pytest.fixture
def stopped(part, own_runtime, scene, case_folder, tmp_path, request):
    """A scene whose job has ended in a state (``request.param``), and that job."""
    speak(part, tmp_path, "refused", "client")
    bpy.ops.teeth.load_photos(directory=str(case_folder / "photos"))
    scene.teethscape.engine, scene.teethscape.views.surface = "teethdreamer", "neus"
    job = _press(part)
    client, state = part("backend.client"), part("session.view_state").state
    ended, code, exit_code = getattr(request, "param", ("CANCELLED", "", 0))
    problem = client.Problem(code, "No.", exit_code=exit_code) if code else None
    state.job = client.JobView(job.id, job.case, client.JobState[ended], problem=problem)
    return state.job


def _press(part):
    with pytest.raises(RuntimeError):
        bpy.ops.teeth.reconstruct()
    return part("session.view_state").state.job


ENDS = [("CANCELLED", "", 0), ("INTERRUPTED", "engine_crash", 6), ("FAILED", "surface_unlike", 5)]


@pytest.mark.parametrize("stopped", [*ENDS, ("FAILED", "card_memory", 6)], indirect=True)
def test_another_surface_method_goes_on_in_the_case(part, scene, stopped):
    scene.teethscape.views.surface = "grid"
    again = _press(part)
    assert again.id != stopped.id
    assert again.case == stopped.case
    request = part("session.runtime").runtime().client.request(again.id)
    assert request["views"]["surface"] == "grid"


FAULTS = [("DONE", "", 0), ("FAILED", "photo_unreadable", 3), ("FAILED", "case_locked", 6)]


@pytest.mark.parametrize("stopped", FAULTS, indirect=True)
def test_a_finished_or_unusable_case_is_left_alone(part, stopped):
    assert _press(part).case != stopped.case


@pytest.mark.parametrize("change", ["photos", "masks"])
def test_other_photos_or_masks_are_another_case(part, scene, stopped, case_folder, tmp_path, change):
    settings = scene.teethscape
    if change == "photos":
        settings.anterior.filepath = str(shutil.copy(case_folder / "photos" / "0.png", tmp_path / "r.png"))
    else:
        settings.masks_folder = str(tmp_path)
    assert _press(part).case != stopped.case
