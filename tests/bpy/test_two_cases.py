"""Two cases in one scene: what is asked for by number or view is that of the case that the panels show."""

from __future__ import annotations

import json
import shutil

import bpy
import pytest


@pytest.fixture
def both(part, scene, case_folder, tmp_path):
    """A case, and then another one, opened in the same scene; their collections."""
    folders = [shutil.copytree(case_folder, tmp_path / name) for name in ("First", "Second")]
    for folder in folders:
        bpy.ops.teeth.open_case(directory=str(folder))
    return [bpy.data.collections[f"Case {folder.name}"] for folder in folders]


def test_the_panel_finds_teeth_and_cameras_of_the_case_that_it_shows(part, scene, both, tmp_path):
    find = part("scene.find")
    for name in ("Second", "First"):
        bpy.ops.teeth.open_case(directory=str(tmp_path / name))
        shown = bpy.data.collections[f"Case {name}"]
        assert find.find_tooth(scene, 11).name in shown.all_objects
        assert find.find_photo_camera(scene, "ANTERIOR").name in shown.all_objects
        assert len(list(find.shown_teeth(scene))) == 28
    assert len(list(find.teeth(scene))) == 56


def test_a_tooth_of_another_case_is_not_taken_for_one_of_this(part, scene, both):
    other = next(item for item in both[0].all_objects if item.teethscape.fdi == 36)
    other.select_set(True)
    bpy.context.view_layer.objects.active = other
    assert part("scene.find").shown_tooth(bpy.context) == 11


def test_only_the_case_shown_is_exported(scene, both, tmp_path):
    out = tmp_path / "out"
    bpy.ops.teeth.export(directory=str(out), mesh_format="stl", split="jaws")
    assert len(json.loads((out / "upper.stl.json").read_text())["teeth_fdi"]) == 14


def test_colours_of_all_cases_are_switched_off_when_another_is_opened(part, scene, both, tmp_path):
    scene.teethscape.heat_map = True
    bpy.ops.teeth.open_case(directory=str(tmp_path / "First"))
    assert {item.data.materials[0].name for item in part("scene.find").teeth(scene)} == {"Enamel"}


def test_teeth_are_found_in_files_whose_collections_know_no_folder(part, scene, both):
    for case in both:
        del case["teethscape_folder"]
    assert len(list(part("scene.find").shown_teeth(scene))) == 56


def _stamped(folder, created):
    """Write down when a case was begun."""
    path = folder / "case.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "created": created}))
    return folder


def _cases(scene):
    return sorted(one.name for one in scene.collection.children)


@pytest.mark.parametrize("again", ["renamed", "moved", "as it was"])
def test_a_case_that_was_renamed_or_moved_replaces_its_build(part, scene, case_folder, tmp_path, again):
    folder = _stamped(shutil.copytree(case_folder, tmp_path / "Case A"), "2030-01-01T00:00:00Z")
    bpy.ops.teeth.open_case(directory=str(folder))
    names = {"renamed": tmp_path / "Case B", "moved": tmp_path / "sub" / "Case A", "as it was": folder}
    names[again].parent.mkdir(exist_ok=True)
    folder.rename(names[again])
    bpy.ops.teeth.open_case(directory=str(names[again]))
    assert _cases(scene) == [f"Case {names[again].name}"]
    assert scene.collection.children[0]["teethscape_folder"] == str(names[again])
    assert len(list(part("scene.find").teeth(scene))) == 28


@pytest.mark.parametrize("name", ["a/case", "copy of it"])
def test_folders_of_the_same_name_and_copies_are_cases_of_their_own(part, scene, case_folder, tmp_path, name):
    for folder in ("b/case", name):
        bpy.ops.teeth.open_case(
            directory=str(_stamped(shutil.copytree(case_folder, tmp_path / folder), "2030-01-01T00:00:00Z"))
        )
    assert len(_cases(scene)) == 2
    assert len(list(part("scene.find").shown_teeth(scene))) == 28


def test_a_link_to_a_folder_is_the_same_case(scene, case_folder, tmp_path):
    folder = shutil.copytree(case_folder, tmp_path / "Case A")
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    for path in (folder, tmp_path / "link"):
        bpy.ops.teeth.open_case(directory=str(path))
    assert len(_cases(scene)) == 1


def test_a_build_of_an_older_version_is_known_by_its_name(scene, case_folder, tmp_path):
    folder = shutil.copytree(case_folder, tmp_path / "Case A")
    bpy.ops.teeth.open_case(directory=str(folder))
    for key in ("teethscape_folder", "teethscape_created"):
        del scene.collection.children[0][key]
    bpy.ops.teeth.open_case(directory=str(folder))
    assert len(_cases(scene)) == 1
