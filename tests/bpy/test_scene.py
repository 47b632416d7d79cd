"""The scene built from a case folder: structure, numbers, replacement, undo."""

from __future__ import annotations

import json

import bpy
import case_factory
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector


@pytest.fixture
def built(part, scene, case_folder):
    return part("scene.build").build_case(scene, part("scene.case_data").load_case(case_folder))


def test_collections_and_objects_have_the_agreed_names(built, scene):
    case = scene.collection.children[0]
    assert case.name == "Case Fall Müller 1"
    assert [child.name for child in case.children] == ["Upper", "Lower", "Photos"]
    assert len(built.collections.upper.objects) == 14
    assert built.collections.upper.objects["FDI_11"] == built.teeth[11]
    assert [camera.name for camera in built.collections.photos.objects] == [
        "Photo Anterior", "Photo Left Buccal", "Photo Right Buccal",
        "Photo Maxillary Occlusal", "Photo Mandibular Occlusal",
    ]  # fmt: skip


def test_teeth_lie_where_the_files_say(built, part, case_folder):
    bpy.context.view_layer.update()
    source = part("scene.ply").read_ply(case_folder / "meshes/teeth/FDI_36.ply")
    tooth = built.teeth[36]
    world = np.array([tooth.matrix_world @ vertex.co for vertex in tooth.data.vertices])
    assert np.abs(world - source.vertices).max() < 1e-4
    assert len(tooth.data.polygons) == len(source.faces)
    assert tooth.data.validate() is False  # nothing had to be repaired


def test_attributes_carry_the_uncertainty(built, part, case_folder):
    source = part("scene.ply").read_ply(case_folder / "meshes/teeth/FDI_21.ply")
    mesh = built.teeth[21].data
    sigma = np.zeros(len(mesh.vertices), np.float32)
    mesh.attributes["sigma_mm"].data.foreach_get("value", sigma)
    assert np.array_equal(sigma, source.attributes["sigma_mm"])
    inferred = np.zeros(len(mesh.vertices), bool)
    mesh.attributes["inferred"].data.foreach_get("value", inferred)
    assert mesh.attributes["inferred"].data_type == "BOOLEAN"
    assert 0 < inferred.sum() < len(inferred)
    assert np.array_equal(inferred, source.attributes["inferred"].astype(bool))
    assert built.teeth[21]["confidence"] == pytest.approx(0.98)


def test_cameras_project_exactly_as_case_json_says(built, scene, part, case_folder):
    cameras = json.loads((case_folder / "case.json").read_text())["cameras"]
    points = np.array([[0, -18, 0], [15, -5, 6], [-12, 3, -5], [3, -14, 1.5]], float)
    for key, name in zip(cameras, built.cameras, strict=True):
        camera = built.cameras[name]
        part("scene.look").aim_scene(scene, camera)
        bpy.context.view_layer.update()
        normal = [world_to_camera_view(scene, camera, Vector(point)) for point in points]
        width, height = case_factory.SIZE
        pixels = np.array([[x * width - 0.5, (1 - y) * height - 0.5] for x, y, _ in normal])
        assert np.abs(pixels - case_factory.project(cameras[key], points)).max() < 0.02


def test_each_camera_has_its_photo_behind(built):
    for camera in built.cameras.values():
        background = camera.data.background_images[0]
        assert camera.data.show_background_images
        assert tuple(background.image.size) == case_factory.SIZE
        assert background.display_depth == "BACK"


def test_building_again_replaces_and_leaves_no_debris(built, part, scene, case_folder):
    before = {
        name: len(getattr(bpy.data, name))
        for name in ("objects", "meshes", "cameras", "images", "collections")
    }
    part("scene.build").build_case(scene, part("scene.case_data").load_case(case_folder))
    after = {name: len(getattr(bpy.data, name)) for name in before}
    assert after == before
    assert "FDI_11" in bpy.data.objects


def test_a_users_own_object_survives_replacement(built, part, scene, case_folder):
    own = bpy.data.objects.new("My ruler", None)
    built.collections.upper.objects.link(own)
    part("scene.build").build_case(scene, part("scene.case_data").load_case(case_folder))
    assert "My ruler" in scene.collection.all_objects


def test_heat_map_and_presence_switch(built, scene):
    settings = scene.teethscape
    settings.heat_map = True
    assert built.teeth[11].data.materials[0].name == "Tooth Uncertainty"
    settings.heat_map = False
    assert built.teeth[11].data.materials[0].name == "Enamel"
    built.teeth[17].teethscape.present = False
    assert built.teeth[17].hide_viewport
    assert built.teeth[17].hide_render


def test_photo_colours_and_heat_map_exclude_each_other(built, scene):
    settings, mesh = scene.teethscape, built.teeth[11].data
    settings.photo_colours = True
    assert mesh.materials[0].name == "Tooth Photo"
    assert mesh.color_attributes.active_color.name == "photo_viewport"
    found = np.zeros(4 * len(mesh.vertices), np.float32)
    mesh.color_attributes["photo"].data.foreach_get("color_srgb", found)
    assert np.allclose(255 * found.reshape(-1, 4)[:, :3], (200, 180, 140), atol=0.6)
    settings.heat_map = True
    assert not settings.photo_colours
    assert mesh.materials[0].name == "Tooth Uncertainty"
    assert mesh.color_attributes.active_color.name == "uncertainty"
    settings.photo_colours = True
    assert not settings.heat_map
    settings.photo_colours = False
    assert mesh.materials[0].name == "Enamel"


def test_photo_display_reaches_every_camera(built, scene):
    scene.teethscape.photo_display = "BLEND"
    backgrounds = [camera.data.background_images[0] for camera in built.cameras.values()]
    assert {item.display_depth for item in backgrounds} == {"FRONT"}
    assert {item.alpha for item in backgrounds} == {0.5}


def test_one_jaw_can_be_shown_alone(built, part, scene):
    module, fdi = part("scene.collections"), part("backend.teethscape.dental.fdi")
    layer = bpy.context.view_layer
    module.show_jaws(layer, (fdi.Jaw.LOWER,))
    assert not built.teeth[11].visible_get()
    assert built.teeth[41].visible_get()
    assert module.hides_a_jaw(layer)
    module.show_jaws(layer, tuple(fdi.Jaw))
    assert built.teeth[11].visible_get()
    assert not module.hides_a_jaw(layer)


def test_units_change_only_when_asked(built, part, scene):
    units = part("scene.units")
    assert not units.shows_millimetres(scene)
    units.use_millimetres(scene)
    assert units.shows_millimetres(scene)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda case: case.update(schema_version=99), "case_newer"),
        (lambda case: case.update(status="running"), "case_unfinished"),
        (lambda case: case.pop("teeth"), "case_damaged"),
        (lambda case: case.update(schema_version="new"), "case_damaged"),
        (lambda case: case.update(request=[]), "case_damaged"),
        (lambda case: case["cameras"]["0"].update(cam2world=[1, 2]), "case_damaged"),
    ],
)
def test_bad_cases_are_refused_in_words(part, case_folder, tmp_path, change, code):
    document = json.loads((case_folder / "case.json").read_text())
    change(document)
    (tmp_path / "case.json").write_text(json.dumps(document))
    with pytest.raises(part("backend.teethscape.errors").BadInputError) as caught:
        part("scene.case_data").load_case(tmp_path)
    assert caught.value.code == code
    assert caught.value.advice


def test_notices_of_the_case_and_of_its_photos_are_kept(part, case_folder, tmp_path):
    document = json.loads((case_folder / "case.json").read_text())
    document["notices"] = ["Two photos were exchanged."]
    document["photos"]["3"]["notices"] = ["Turned by 180 degrees."]
    (tmp_path / "case.json").write_text(json.dumps(document))
    notices = part("scene.case_data").load_case(tmp_path).notices
    assert notices == ("Two photos were exchanged.", "Maxillary Occlusal: Turned by 180 degrees.")


def test_what_is_told_of_a_photo_is_told_once(part, case_folder, tmp_path):
    document = json.loads((case_folder / "case.json").read_text())
    document["notices"] = ["IMG_3.jpg: Turned by 180 degrees.", "Two photos were exchanged."]
    document["photos"]["3"] |= {"source_name": "IMG_3.jpg", "notices": ["Turned by 180 degrees."]}
    (tmp_path / "case.json").write_text(json.dumps(document))
    notices = part("scene.case_data").load_case(tmp_path).notices
    assert notices == ("Two photos were exchanged.", "Maxillary Occlusal: Turned by 180 degrees.")


def test_a_damaged_mesh_leaves_the_scene_alone(part, scene, case_folder, tmp_path):
    import shutil

    copy = shutil.copytree(case_folder, tmp_path / "copy")
    mesh = copy / "meshes/teeth/FDI_27.ply"
    mesh.write_bytes(mesh.read_bytes()[:-100])
    with pytest.raises(part("backend.teethscape.errors").BadInputError):
        part("scene.build").build_case(scene, part("scene.case_data").load_case(copy))
    assert not scene.collection.children


def test_building_is_quick(part, scene, case_folder):
    import time

    start = time.process_time()
    part("scene.build").build_case(scene, part("scene.case_data").load_case(case_folder))
    assert time.process_time() - start < 2.0
