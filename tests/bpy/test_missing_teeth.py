"""Teeth that the patient does not have: marked, sent, and asked for after a refusal."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from fake_layout import draw
from stage import speak

SECTION = "TEETH_PT_reconstruct_missing"
QUESTION = "If teeth are missing, mark them"


@pytest.fixture
def panel(part):
    return part("panels.reconstruct").TEETH_PT_reconstruct


@pytest.fixture
def refused(part, own_runtime, scene, case_folder, tmp_path):
    """A runtime whose engine has just been unable to number the teeth."""
    speak(part, tmp_path, "uncertain", "client")
    bpy.ops.teeth.load_photos(directory=str(case_folder / "photos"))
    _press()
    return own_runtime.runtime().client


def _press():
    with pytest.raises(RuntimeError, match="Which teeth"):
        bpy.ops.teeth.reconstruct()


def test_a_click_marks_and_the_next_takes_it_back(part, scene):
    settings = scene.teethscape
    assert bpy.ops.teeth.toggle_absent(fdi=16) == {"FINISHED"}
    bpy.ops.teeth.toggle_absent(fdi=26)
    assert settings.absent_teeth == {16, 26}
    bpy.ops.teeth.toggle_absent(fdi=16)
    assert settings.absent_teeth == {26}


def test_a_mark_is_one_undo_step(part, scene):
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.teeth.toggle_absent("EXEC_DEFAULT", True, fdi=16)
    bpy.ops.ed.undo()
    assert bpy.context.scene.teethscape.absent_teeth == set()


@pytest.mark.parametrize("fdi", [0, 18, 55])
def test_what_is_no_tooth_of_the_model_is_not_marked(part, scene, fdi):
    with pytest.raises(RuntimeError, match="no tooth of the model"):
        bpy.ops.teeth.toggle_absent(fdi=fdi)
    assert scene.teethscape.absent_teeth == set()


def test_a_tooth_of_the_result_is_hidden_with_its_mark(part, scene, case_folder):
    bpy.ops.teeth.open_case(directory=str(case_folder))
    tooth = part("scene.find").find_tooth(scene, 17)
    for marked in (True, False):
        bpy.ops.teeth.toggle_absent(fdi=17)
        assert (tooth.hide_viewport, tooth.teethscape.present) == (marked, not marked)
        assert scene.teethscape.absent_teeth == ({17} if marked else set())


def test_the_section_is_closed_and_tells_how_many_are_marked(scene, panel):
    assert "Missing Teeth" in draw(panel).texts
    bpy.ops.teeth.toggle_absent(fdi=46)
    bpy.ops.teeth.toggle_absent(fdi=16)
    closed = draw(panel)
    assert "Missing Teeth: 2 marked" in closed.texts
    assert closed.count("teeth.toggle_absent") == 0
    drawn = draw(panel, SECTION)
    assert drawn.count("teeth.toggle_absent") == 28
    assert drawn.pressed("teeth.toggle_absent") == [16, 46]
    assert "Missing: 16, 46" in drawn.texts


def test_after_the_refusal_the_panel_asks_with_one_open_chart(refused, panel):
    drawn = draw(panel, SECTION)
    problem, question = (
        next(k for k, text in enumerate(drawn.texts) if text.startswith(start))
        for start in ("Which teeth?", QUESTION)
    )
    assert problem < question
    assert drawn.count("teeth.toggle_absent") == 28
    assert not any(text.startswith("Missing Teeth") for text in drawn.texts)


def test_another_problem_asks_nothing(part, refused, panel, monkeypatch):
    client = part("backend.client")
    problem = client.Problem("primary_teeth", "Milk teeth.")
    view = client.JobView("j", Path("/case"), client.JobState.FAILED, problem=problem)
    monkeypatch.setattr(part("session.view_state").state, "job", view)
    drawn = draw(panel)
    assert "Milk teeth." in drawn.texts
    assert not any(text.startswith(QUESTION) for text in drawn.texts)


def test_the_answer_goes_to_the_same_case(part, refused):
    first = part("session.view_state").state.job
    bpy.ops.teeth.toggle_absent(fdi=16)
    _press()
    second = part("session.view_state").state.job
    assert second.id != first.id
    assert second.case == first.case
    assert refused.request(first.id)["absent_teeth"] == []
    assert refused.request(second.id)["absent_teeth"] == [16]
    assert refused.request(second.id)["output"] == str(first.case)


def test_other_photos_are_another_case(part, scene, refused, case_folder, tmp_path):
    first = part("session.view_state").state.job
    retaken = tmp_path / "retaken.png"
    retaken.write_bytes((case_folder / "photos" / "0.png").read_bytes())
    scene.teethscape.anterior.filepath = str(retaken)
    _press()
    assert part("session.view_state").state.job.case != first.case


def test_a_chosen_case_folder_is_obeyed(part, scene, refused, tmp_path):
    scene.teethscape.case_folder = str(tmp_path / "mine")
    _press()
    assert part("session.view_state").state.job.case == tmp_path / "mine"


def test_a_forgotten_job_leads_to_a_new_case(part, refused):
    first = part("session.view_state").state.job
    refused.discard(first.id)
    _press()
    assert part("session.view_state").state.job.case != first.case
