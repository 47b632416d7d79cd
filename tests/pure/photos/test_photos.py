"""Slots: which file goes where, EXIF orientation, what is wrong in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

JAWS = range(5)


@pytest.fixture
def view(part):
    return part("backend.teethscape.dental.views").View


def test_numbered_files_go_to_their_view(part, view):
    files = [Path(f"/p/{k}.jpg") for k in (4, 2, 0)]
    chosen = part("photos.assign").assign_photos(files, {}, tuple(view))
    assert chosen == {view(0): files[2], view(2): files[1], view(4): files[0]}


def test_other_names_fill_empty_slots_in_natural_order(part, view):
    files = [Path("/p/IMG_10.jpg"), Path("/p/IMG_9.jpg")]
    chosen = part("photos.assign").assign_photos(files, {view(0): Path("/p/old.jpg")}, tuple(view))
    assert chosen == {view(1): files[1], view(2): files[0]}


def test_a_whole_set_replaces_what_is_there(part, view):
    files = [Path(f"/p/{name}.jpg") for name in "abcde"]
    filled = dict.fromkeys(view, Path("/p/old.jpg"))
    assert list(part("photos.assign").assign_photos(files, filled, tuple(view)).values()) == files


def test_more_files_than_slots_are_left_out(part, view):
    files = [Path(f"/p/{name}.jpg") for name in "abcdefg"]
    assert len(part("photos.assign").assign_photos(files, {}, tuple(view))) == 5


def test_folders_are_searched_for_pictures_only(part, tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.jpg"):
        (tmp_path / name).touch()
    assert [path.name for path in part("photos.assign").picture_files(tmp_path)] == ["a.png", "b.JPG"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_agrees_with_pillow(part, tmp_path, orientation):
    pixels = np.random.default_rng(orientation).integers(0, 255, (6, 9, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.jpg"
    Image.fromarray(pixels).save(path, exif=exif, quality=100)
    raw = np.asarray(Image.open(path))
    module = part("photos.orientation")
    assert module.exif_orientation(path) == orientation
    assert np.array_equal(
        module.upright(raw, orientation), np.asarray(ImageOps.exif_transpose(Image.open(path)))
    )


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\xff\xff", b"GIF89a", b"\xff\xd8\xff"]
)
def test_damaged_heads_count_as_upright(part, tmp_path, content):
    (tmp_path / "x.jpg").write_bytes(content)
    assert part("photos.orientation").exif_orientation(tmp_path / "x.jpg") == 1


def _picture(seed: int = 0, contrast: float = 0.6) -> np.ndarray:
    """Soft blotches with fine grain: as sharp as a real photo, and unlike any other seed."""
    generator = np.random.default_rng(seed)
    coarse = np.kron(generator.random((24, 32)), np.ones((16, 16)))
    grain = generator.random((384, 512))
    grey = 0.5 + contrast * (0.6 * (coarse - 0.5) + 0.4 * (grain - 0.5))
    return np.repeat(grey[..., None], 3, axis=2).astype(np.float32)


def test_a_good_photo_has_nothing_to_say(part):
    check = part("photos.check").check_photo(_picture(), (4000, 3000))
    assert check.messages == ()
    assert check.severity == 0


@pytest.mark.parametrize(
    ("pixels", "size", "word"),
    [
        (_picture() * 0.1, (4000, 3000), "dark"),
        (_picture(contrast=0.1) * 0.1 + 0.92, (4000, 3000), "bright"),
        (_picture(), (400, 300), "400 x 300"),
        (_picture(), (3000, 4000), "Taller"),
    ],
)
def test_problems_are_told_in_words(part, pixels, size, word):
    check = part("photos.check").check_photo(pixels, size)
    assert any(word in message for message in check.messages)
    assert check.severity == part("photos.check").Severity.WARNING


def test_blur_is_told_from_sharp_on_real_photos(part, shared):
    from PIL import ImageFilter

    for path in sorted((shared / "cases" / "case-a" / "photos").glob("*.jpg")):
        photo = Image.open(path).convert("RGB")
        blurred = photo.filter(ImageFilter.GaussianBlur(6))
        messages = []
        for image in (photo, blurred):
            small = np.asarray(image.resize((512, 384), Image.Resampling.BOX), np.float32) / 255
            messages.append(part("photos.check").check_photo(small, photo.size).messages)
        assert messages[0] == ()
        assert "Blurred" in messages[1][0]


def test_the_same_picture_is_found_even_turned_and_flipped(part, view):
    module = part("photos.check")
    first, other = (module.check_photo(_picture(seed), (4000, 3000)) for seed in (1, 2))
    turned = module.check_photo(np.rot90(_picture(1)[:, ::-1]).copy(), (3000, 4000))
    assert module.find_twins({view(0): first, view(1): other, view(3): turned}) == {view(3): view(0)}


def test_left_and_right_buccal_photos_are_no_twins(part, view, shared):
    module = part("photos.check")
    checks = {}
    for k, path in enumerate(sorted((shared / "cases" / "case-c" / "photos").glob("*.jpg"))):
        small = np.asarray(Image.open(path).convert("RGB").resize((512, 384)), np.float32) / 255
        checks[view(k)] = module.check_photo(small, (1000, 720))
    assert module.find_twins(checks) == {}
