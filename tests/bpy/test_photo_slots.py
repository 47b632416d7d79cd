"""The photo operators: load, swap, turn, flip, clear, thumbnails, words."""

from __future__ import annotations

import bpy
import case_factory
import numpy as np
import pytest

VIEWS = ("anterior", "left_buccal", "right_buccal", "maxillary_occlusal", "mandibular_occlusal")


@pytest.fixture
def photos(tmp_path, scene, part):
    """Five different pictures named 0 to 4; the shelf starts empty."""
    part("photos.thumbnails").shelf.clear()
    folder = tmp_path / "Fotos für Zähne"
    folder.mkdir()
    generator = np.random.default_rng(5)
    for k in range(5):
        coarse = np.kron(generator.random((16, 24)), np.ones((40, 40)))
        pixels = (255 * np.repeat(coarse[..., None], 3, axis=2)).astype(np.uint8)
        case_factory.write_png(folder / f"{k}.png", pixels)
    return folder


@pytest.fixture
def shelf(part):
    return part("photos.thumbnails").shelf


def _paths(scene):
    return [getattr(scene.teethscape, name).filepath.rpartition("/")[2] for name in VIEWS]


def test_a_folder_fills_the_slots(photos, scene, shelf):
    assert bpy.ops.teeth.load_photos(directory=str(photos)) == {"FINISHED"}
    assert _paths(scene) == [f"{k}.png" for k in range(5)]
    assert len(shelf.checks) == 5
    assert all(check.size == (960, 640) for check in shelf.checks.values())
    assert not [image for image in bpy.data.images if image.name.endswith(".png")]  # nothing stays loaded


def test_dropped_files_fill_the_slots(photos, scene):
    files = [{"name": f"{k}.png"} for k in (3, 1)]
    bpy.ops.teeth.load_photos(directory=str(photos), files=files)
    assert _paths(scene) == ["", "1.png", "", "3.png", ""]


def test_files_that_are_dropped_need_no_file_browser(photos, scene, part):
    files = [{"name": f"{k}.png"} for k in range(5)]
    assert bpy.ops.teeth.load_photos("INVOKE_DEFAULT", directory=str(photos), files=files) == {"FINISHED"}
    assert _paths(scene) == [f"{k}.png" for k in range(5)]
    handler = bpy.types.TEETH_FH_photos
    assert handler.bl_import_operator == "teeth.load_photos"
    assert {".jpg", ".png", ".heic"} <= set(handler.bl_file_extensions.split(";"))


def test_swapping_takes_turn_and_flip_along(photos, scene):
    bpy.ops.teeth.load_photos(directory=str(photos))
    bpy.ops.teeth.turn_photo(view="LEFT_BUCCAL", way="LEFT")
    bpy.ops.teeth.turn_photo(view="LEFT_BUCCAL", way="FLIP")
    bpy.ops.teeth.swap_photos(view="LEFT_BUCCAL", other="RIGHT_BUCCAL")
    assert _paths(scene)[1:3] == ["2.png", "1.png"]
    moved = scene.teethscape.right_buccal
    assert (moved.quarter_turns, moved.mirrored) == (1, True)


@pytest.mark.parametrize(
    ("ways", "stored"),
    [
        (["LEFT"], (1, False)),
        (["RIGHT"], (3, False)),
        (["LEFT", "FLIP"], (1, True)),
        # A turn after a flip is stored the other way round: the flip comes last.
        (["FLIP", "LEFT"], (3, True)),
        (["FLIP", "FLIP"], (0, False)),
    ],
)
def test_turns_are_stored_as_the_request_wants_them(photos, scene, part, ways, stored):
    bpy.ops.teeth.load_photos(directory=str(photos))
    for way in ways:
        bpy.ops.teeth.turn_photo(view="ANTERIOR", way=way)
    slot = scene.teethscape.anterior
    assert (slot.quarter_turns, slot.mirrored) == stored
    # What is stored gives the picture that the user saw after each click.
    turn = part("photos.orientation").turn
    seen = picture = np.arange(24).reshape(4, 2, 3)
    for way in ways:
        seen = {"LEFT": np.rot90(seen), "RIGHT": np.rot90(seen, -1), "FLIP": seen[:, ::-1]}[way]
    assert np.array_equal(turn(picture, *stored), seen)


def test_clearing_keeps_the_files(photos, scene, shelf):
    bpy.ops.teeth.load_photos(directory=str(photos))
    bpy.ops.teeth.clear_photo(view="ANTERIOR")
    assert _paths(scene)[0] == ""
    assert (photos / "0.png").exists()
    bpy.ops.teeth.clear_photos()
    assert _paths(scene) == [""] * 5
    assert shelf.checks == {}


def test_clear_photos_forgets_what_was_said_of_the_patient(scene):
    settings = scene.teethscape
    bpy.ops.teeth.toggle_absent(fdi=16)
    settings.known_lengths.add().teeth = "11"
    bpy.ops.teeth.clear_photos()
    assert settings.absent_teeth == set()
    assert not settings.known_lengths


def test_problems_reach_the_slot_in_words(photos, scene, shelf, part):
    (photos / "1.png").write_bytes(b"not a picture")
    (photos / "2.png").write_bytes((photos / "0.png").read_bytes())
    bpy.ops.teeth.load_photos(directory=str(photos))
    views = part("backend.teethscape.dental.views").View
    assert "Not a readable picture" in shelf.checks[views.LEFT_BUCCAL].messages[0]
    assert shelf.twins == {views.RIGHT_BUCCAL: views.ANTERIOR}
    bpy.ops.teeth.choose_photo(view="LEFT_BUCCAL", filepath=str(photos / "gone.png"))
    assert "missing" in shelf.checks[views.LEFT_BUCCAL].messages[0]


def test_an_empty_folder_is_refused_in_words(tmp_path, scene):
    assert bpy.ops.teeth.load_photos(directory=str(tmp_path)) == {"CANCELLED"}


def test_one_jaw_needs_four_photos(part, scene):
    scene.teethscape.jaws = "upper"
    views = part("session.request").missing_views(scene.teethscape)
    assert [view.slug for view in views] == list(VIEWS[:4])
