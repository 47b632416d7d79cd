"""Texts and choices of the panels that need no window."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from pathlib import Path

import bpy
from fake_layout import draw


def test_a_standard_deviation_stays_on_one_line(part):
    text = part("panels.base").deviation(5.31, 1, "%")
    assert text.replace("\u00a0", " ") == "± 5.3 %"
    assert textwrap.wrap(f"Estimated, {text}", 12) == ["Estimated,", text]


def test_nothing_is_wholly_sure(part):
    sureness = part("panels.result").sureness
    assert [sureness(value) for value in (1.0, 0.98, 0.4)] == ["> 99 % sure", "98 % sure", "40 % sure"]


def test_the_device_is_told_in_words(part):
    device_text = part("panels.setup").device_text
    assert device_text("cpu (x86_64)") == "the processor (x86_64)"
    assert device_text("cuda:0 (Some GPU)") == "cuda:0 (Some GPU)"
    assert device_text("") == "an unknown device"


def test_the_panel_names_the_python_that_wheels_must_fit(part):
    target = part("panels.setup").wheels_target
    assert target("").startswith(f"Python {sys.version_info.major}.{sys.version_info.minor}, ")
    assert target("/usr/bin/python3") == "the Python of the preferences"


def test_a_tooth_selected_in_the_viewport_is_the_one_that_is_shown(part, scene, case_folder):
    bpy.ops.teeth.open_case(directory=str(case_folder))
    shown_tooth = part("scene.find").shown_tooth
    assert shown_tooth(bpy.context) == 11
    tooth = scene.objects["FDI_36"]
    tooth.select_set(True)
    bpy.context.view_layer.objects.active = tooth
    assert shown_tooth(bpy.context) == 36
    bpy.ops.teeth.add_known_length()
    length = scene.teethscape.known_lengths[-1]
    assert (length.teeth, round(length.mm, 3)) == ("36", 9.8)  # its estimated width, to be corrected
    bpy.ops.teeth.select_tooth(fdi=18)  # not in the result: nothing is selected, the chart shows it
    assert shown_tooth(bpy.context) == 18


def test_every_note_of_a_case_can_be_read(part, scene, case_folder, tmp_path):
    copy = shutil.copytree(case_folder, tmp_path / "copy")
    document = json.loads((copy / "case.json").read_text())
    document["notices"] = [f"Note {k}." for k in range(8)]
    (copy / "case.json").write_text(json.dumps(document))
    bpy.ops.teeth.open_case(directory=str(copy))
    panel = part("panels.result").TEETH_PT_result
    closed, opened = draw(panel).texts, draw(panel, "TEETH_PT_result_notices").texts
    assert "2 More Notes" in closed
    assert [text for text in closed if text.startswith("Note ")] == document["notices"][:6]
    assert [text for text in opened if text.startswith("Note ")] == document["notices"]


def test_a_case_named_by_us_is_not_called_case_twice(part, scene):
    data, collections = part("scene.case_data"), part("scene.collections")
    scale = data.CaseScale("estimated", 0.05)
    case = data.CaseData(Path("/gone/case-20300101-ab12"), "case-20300101-ab12", (), (), scale, ())
    made = collections.create_case_collections(scene, case)
    assert made.case.name == "Case 20300101-ab12"
    assert collections.find_case_collection(scene, case) == made.case
