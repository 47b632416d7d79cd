"""Exported files: millimetres, the right teeth, a note beside each."""

from __future__ import annotations

import json
import struct

import bpy
import numpy as np
import pytest


@pytest.fixture
def case(part, scene, case_folder):
    bpy.ops.teeth.open_case(directory=str(case_folder))
    return scene


def _stl_points(path):
    data = path.read_bytes()
    (count,) = struct.unpack_from("<I", data, 80)
    rows = np.frombuffer(data, np.dtype([("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")]), count, 84)
    return rows["v"].reshape(-1, 3)


def test_an_stl_holds_the_same_millimetres_as_the_case(case, part, case_folder, tmp_path):
    case.unit_settings.scale_length = 0.001  # the units of a scene must not matter
    assert bpy.ops.teeth.export(directory=str(tmp_path), mesh_format="stl", split="teeth") == {"FINISHED"}
    points = _stl_points(tmp_path / "FDI_24.stl")
    source = part("scene.ply").read_ply(case_folder / "meshes/teeth/FDI_24.ply").vertices
    assert np.allclose(points.min(axis=0), source.min(axis=0), atol=1e-3)
    assert np.allclose(points.max(axis=0), source.max(axis=0), atol=1e-3)
    assert len(list(tmp_path.glob("*.stl"))) == 28


@pytest.mark.parametrize("mesh_format", ["stl", "ply", "obj"])
def test_jaws_are_written_with_a_note(case, tmp_path, mesh_format):
    bpy.ops.teeth.export(directory=str(tmp_path), mesh_format=mesh_format, split="jaws")
    note = json.loads((tmp_path / f"upper.{mesh_format}.json").read_text())
    assert (tmp_path / f"upper.{mesh_format}").stat().st_size > 10_000
    assert note["unit"] == "mm"
    assert note["scale_source"] == "estimated"
    assert len(note["teeth_fdi"]) == 14
    assert 50 < note["extent_mm"][0] < 80


def test_absent_teeth_are_left_out(case, part, tmp_path):
    part("scene.find").find_tooth(case, 17).teethscape.present = False
    bpy.ops.teeth.export(directory=str(tmp_path), mesh_format="stl", split="teeth")
    assert not (tmp_path / "FDI_17.stl").exists()
    assert len(list(tmp_path.glob("*.stl"))) == 27


def test_teeth_out_of_sight_are_written_and_stay_out_of_sight(case, part, tmp_path):
    collections, fdi = part("scene.collections"), part("backend.teethscape.dental.fdi")
    find = part("scene.find").find_tooth
    collections.show_jaws(bpy.context.view_layer, (fdi.Jaw.LOWER,))
    find(case, 36).hide_set(True)
    bpy.ops.teeth.export(directory=str(tmp_path), mesh_format="stl", split="one")
    per_tooth = len(find(case, 11).data.polygons)
    assert len(_stl_points(tmp_path / "teeth.stl")) == 28 * 3 * per_tooth
    assert find(case, 36).hide_get()
    assert collections.hides_a_jaw(bpy.context.view_layer)


def test_the_selection_comes_back(case, part, tmp_path):
    tooth = part("scene.find").find_tooth(case, 33)
    tooth.select_set(True)
    bpy.ops.teeth.export(directory=str(tmp_path), split="one")
    assert [item.name for item in bpy.context.selected_objects] == ["FDI_33"]


def test_a_new_folder_is_made_and_a_file_in_its_place_is_told(case, tmp_path):
    bpy.ops.teeth.export(directory=str(tmp_path / "für den Druck" / "neu"), split="one")
    assert (tmp_path / "für den Druck" / "neu" / "teeth.stl").exists()
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RuntimeError, match=r"cannot be written.*Choose another folder"):
        bpy.ops.teeth.export(directory=str(tmp_path / "file"), split="one")


def test_without_teeth_the_button_says_why(scene):
    assert not bpy.ops.teeth.export.poll()
