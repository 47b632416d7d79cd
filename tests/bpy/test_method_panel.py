"""Engine and surface method in *Reconstruct*: greyed with the reason, and in the request."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import pytest
from fake_layout import draw
from stage import speak

ROOT = Path(__file__).resolve().parents[2]
SECTION = "TEETH_PT_reconstruct_method"


@pytest.fixture
def state(part, own_runtime, scene):
    return part("session.view_state").state


def _ability(name, missing="", need=""):
    return {"name": name, "missing": missing, "advice": "", "need": need}


def _abilities(teethdreamer=("", ""), neus=("", "")):
    return {
        "engines": [_ability("parametric"), _ability("teethdreamer", *teethdreamer)],
        "surfaces": [_ability("neus", *neus), _ability("gspull", *neus), _ability("grid")],
    }


def _drawn(part, *opened):
    return draw(part("panels.reconstruct").TEETH_PT_reconstruct, *(opened or (SECTION,)))


def _can(drawn, name):
    return {value for prop, value, enabled in drawn.choices if prop == name and enabled}


def test_the_header_tells_the_engine_and_a_closed_section_nothing_else(part, state, scene):
    assert "Engine: Parametric" in _drawn(part, "none").texts
    assert _drawn(part, "none").choices == []
    scene.teethscape.engine = "teethdreamer"
    assert "Engine: TeethDreamer" in _drawn(part, "none").texts


def test_what_was_not_looked_at_is_greyed(part, state):
    drawn = _drawn(part)
    assert _can(drawn, "engine") == {"parametric"}
    assert any("Not looked yet" in text for text in drawn.texts)
    assert drawn.count("teeth.list_engines") == 1


def test_missing_parts_are_greyed_with_reason_and_remedy(part, state, scene):
    state.abilities = _abilities(("It needs the full profile (torch is missing).", "profile"))
    drawn = _drawn(part)
    words = " ".join(drawn.texts)
    assert _can(drawn, "engine") == {"parametric"}
    assert "torch is missing" in words
    assert "choose Full in Setup" in words
    assert "This version of the engine does not have it" in words  # regression
    scene.teethscape.engine = "teethdreamer"
    state.abilities = _abilities(neus=("It needs PyTorch (torch is missing).", "profile"))
    drawn = _drawn(part)
    assert _can(drawn, "engine") == {"parametric", "teethdreamer"}
    assert _can(drawn, "surface") == {"auto", "grid"}


def test_a_named_file_stands_in_for_installed_weights(part, state, scene):
    state.abilities = _abilities(("The weights are not installed.", "weights"))
    assert _can(_drawn(part), "engine") == {"parametric"}
    scene.teethscape.views.weights = "/networks/own.safetensors"
    assert _can(_drawn(part), "engine") == {"parametric", "teethdreamer"}


def test_the_button_says_why_the_method_cannot_be_used(part, state, scene, case_folder):
    bpy.ops.teeth.load_photos(directory=str(case_folder / "photos"))
    why_not = part("session.readiness").why_not
    scene.teethscape.engine = "teethdreamer"
    assert why_not(scene.teethscape) == ""  # nobody has looked: the engine itself will tell
    state.abilities = _abilities(("The weights are not installed.", "weights"))
    assert why_not(scene.teethscape).startswith("The weights are not installed: install them in Networks")
    assert not bpy.ops.teeth.reconstruct.poll()
    state.abilities = _abilities(neus=("It needs PyTorch (torch is missing).", "profile"))
    assert why_not(scene.teethscape) == ""
    scene.teethscape.views.surface = "neus"
    assert "needs PyTorch" in why_not(scene.teethscape)
    scene.teethscape.engine = "parametric"
    assert why_not(scene.teethscape) == ""


def test_a_way_to_cut_out_that_is_missing_is_told(part, state, scene):
    state.abilities = {
        **_abilities(),
        "foregrounds": [_ability("rembg", "rembg is not installed.", "library")],
    }
    scene.teethscape.engine = "teethdreamer"
    assert "rembg" not in " ".join(_drawn(part).texts)
    scene.teethscape.views.foreground = "rembg"
    assert "rembg is not installed: install it in the engine's environment" in " ".join(_drawn(part).texts)
    assert part("session.abilities").why_not_method(scene.teethscape).startswith("rembg is not installed")
    state.abilities["foregrounds"] = [_ability("sam", "The weights sam-vit-b are missing.", "weights")]
    scene.teethscape.views.foreground = "sam"  # the field below names the networks that paint, not this
    words = part("session.abilities").why_not_method(scene.teethscape)
    assert words == "The weights sam-vit-b are missing: install them in Networks"


def test_the_choice_reaches_the_engine(part, state, scene, case_folder):
    sys.path.insert(0, str(ROOT / "backend"))
    try:
        from teethscape.dental.request import Engine, ReconstructRequest
        from teethscape.dental.wishes import ForegroundName, SurfaceMethod, ViewWishes
    finally:
        sys.path.remove(str(ROOT / "backend"))
    bpy.ops.teeth.load_photos(directory=str(case_folder / "photos"))
    settings = scene.teethscape
    build = part("session.request").build_request
    assert ReconstructRequest.from_json(build(settings, Path("/c"))).views == ViewWishes()
    settings.engine, settings.views.surface, settings.views.steps = "teethdreamer", "gspull", 20
    settings.views.weights, settings.views.foreground = "/networks/own.safetensors", "fit"
    request = ReconstructRequest.from_json(build(settings, Path("/c")))
    assert request.engine is Engine.TEETHDREAMER
    assert request.views == ViewWishes(
        Path("/networks/own.safetensors"), 20, surface=SurfaceMethod.GSPULL, foreground=ForegroundName.FIT
    )


def test_how_views_are_painted_reaches_the_engine(part, scene):
    wishes = part("backend.teethscape.dental.wishes")
    views = scene.teethscape.views
    views.steps, views.preview = 300, True
    views.background, views.precision, views.memory = "white", "bf16", "small"
    made = wishes.ViewWishes.from_json(part("session.request")._views(views))
    assert made == wishes.ViewWishes(
        steps=wishes.PREVIEW_STEPS,
        background=wishes.Backdrop.WHITE,
        precision=wishes.Precision.BRAIN,
        memory=wishes.MemoryMode.SMALL,
    )
    views.preview = False
    assert part("session.request")._views(views)["steps"] == 300


def test_painting_is_a_closed_section_of_its_engine(part, state, scene):
    painting = "TEETH_PT_reconstruct_painting"
    assert "Painting" not in _drawn(part).texts
    scene.teethscape.engine = "teethdreamer"
    closed = _drawn(part)
    assert "Painting" in closed.texts
    assert {"preview", "steps", "repaint"} <= set(closed.properties)
    fine = {"background", "precision", "memory"}
    assert not fine & set(closed.properties)
    assert fine <= set(_drawn(part, SECTION, painting).properties)
    assert closed.properties["steps"]
    scene.teethscape.views.preview = True
    assert not _drawn(part).properties["steps"]  # greyed: a preview has its own number


def test_every_engine_and_method_of_the_engine_can_be_chosen(part, scene):
    sys.path.insert(0, str(ROOT / "backend"))
    try:
        from teethscape.dental.request import Engine
        from teethscape.dental.wishes import (
            Backdrop,
            ForegroundName,
            MemoryMode,
            Precision,
            SurfaceMethod,
        )
    finally:
        sys.path.remove(str(ROOT / "backend"))
    shown = scene.teethscape.bl_rna.properties["engine"].enum_items.keys()
    assert {engine.value for engine in Engine} <= set(shown)
    shown = scene.teethscape.views.bl_rna.properties["surface"].enum_items.keys()
    assert {method.value for method in SurfaceMethod} | {"auto"} == set(shown)
    views = scene.teethscape.views.bl_rna.properties
    assert {name.value for name in ForegroundName} == set(views["foreground"].enum_items.keys())
    assert {precision.value for precision in Precision} == set(views["precision"].enum_items.keys())
    assert {memory.value for memory in MemoryMode} == set(views["memory"].enum_items.keys())
    assert {backdrop.value for backdrop in Backdrop} - {"black"} == set(views["background"].enum_items.keys())


def test_asking_is_a_job_of_the_engine(part, state, tmp_path, monkeypatch):
    speak(part, tmp_path, "ok", "loader")
    assert bpy.ops.teeth.list_engines() == {"FINISHED"}
    done = part("backend.client").JobState.DONE
    assert state.asking.state is done
    assert state.abilities is None  # this engine only speaks
    answer = part("backend.client").JobView("j", tmp_path, done, summary=_abilities())
    runtime = part("session.runtime")
    monkeypatch.setattr(runtime.Runtime, "asking_view", answer)
    part("session.ticker").refresh()
    assert state.abilities == _abilities()
    command = part("backend.teethscape.protocol").Command.ABILITIES
    queue = runtime.runtime().loader._queue
    message = queue.begin(queue.add({"command": command.value, **part("session.asking").question()}))
    assert message.command is command


def test_installed_weights_bring_the_new_abilities(part, state, tmp_path, monkeypatch):
    client, runtime = part("backend.client"), part("session.runtime")
    state.abilities = _abilities(("The weights are not installed.", "weights"))
    summary = {"models": [], "added": ["teethdreamer"], "abilities": _abilities()}
    done = client.JobView("j", tmp_path, client.JobState.DONE, summary=summary)
    monkeypatch.setattr(runtime.Runtime, "weights_view", done)
    part("session.ticker").refresh()
    assert state.abilities == _abilities()


@pytest.mark.parametrize("change", ["install", "remove", "another folder"])
def test_another_engine_is_asked_anew(part, state, tmp_path, monkeypatch, change):
    state.abilities = _abilities(("It needs the full profile (torch is missing).", "profile"))
    installer = part("session.runtime").runtime().installer
    for name in ("plan", "install", "remove"):
        monkeypatch.setattr(installer, name, lambda *_: None)
    monkeypatch.setattr(installer, "wait", lambda: installer.view)
    if change == "another folder":
        part("preferences").preferences().engine_folder = str(tmp_path / "other")
    else:
        getattr(bpy.ops.teeth, f"{change}_engine")("EXEC_DEFAULT")
    assert state.abilities is None
    assert any("Not looked yet" in text for text in _drawn(part).texts)
