"""Every usual picture format is read upright; every bad one is refused in words."""

from __future__ import annotations

import builtins
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from teethscape.dental import decode as decoding
from teethscape.dental.exif import focal_35mm, focal_in_pixels
from teethscape.dental.fdi import Jaws
from teethscape.dental.photos import Photo, read_photo, read_photo_folder, read_photo_slots, turn
from teethscape.dental.request import PhotoSlot
from teethscape.dental.views import View, views_needed
from teethscape.errors import BadInputError, ExitCode, MissingComponentError


def _exif(orientation: int = 1, focal: int | None = None) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if focal:
        exif.get_ifd(0x8769)[0xA405] = focal
    return exif


def _close(first: np.ndarray, second: np.ndarray, tolerance: float = 6.0) -> bool:
    difference = np.abs(first.astype(float) - second).mean()
    return first.shape == second.shape and bool(difference < tolerance)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp"])
def test_formats(pictures, tmp_path, suffix):
    pixels = pictures.picture(1)
    path = tmp_path / f"Fotos von Zoë ñ 牙 {suffix}" / f"0 photo.{suffix}"
    path.parent.mkdir()
    Image.fromarray(pixels).save(path)
    assert _close(read_photo(path).pixels, pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_rotation_is_undone(pictures, tmp_path, orientation, suffix):
    upright = pictures.picture(2)
    stored = Image.fromarray(upright)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    stored.save(tmp_path / f"x.{suffix}", exif=_exif(orientation))
    photo = read_photo(tmp_path / f"x.{suffix}")
    assert photo.original_size == (480, 360)
    assert _close(photo.pixels, upright)


def test_cmyk(pictures, tmp_path):
    pixels = pictures.picture(3)
    Image.fromarray(pixels).convert("CMYK").save(tmp_path / "x.jpg", quality=95)
    assert _close(read_photo(tmp_path / "x.jpg").pixels, pixels, 8)


@pytest.mark.parametrize("top", [4095, 65535])
def test_sixteen_bit_grey(pictures, tmp_path, top):
    grey = pictures.picture(4)[..., 0]
    values = np.round(grey / grey.max() * top).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "x.png")
    read = read_photo(tmp_path / "x.png").pixels
    expected = np.repeat((values / top * 255)[..., None], 3, axis=2)
    assert _close(read, expected.round().astype(np.uint8), 1.0)


def test_sixteen_bit_colour(pictures, tmp_path):
    import cv2

    pixels = pictures.picture(5)
    assert cv2.imwrite(str(tmp_path / "x.png"), pixels[..., ::-1].astype(np.uint16) * 257)
    assert _close(read_photo(tmp_path / "x.png").pixels, pixels, 1.0)


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA"])
def test_other_modes(pictures, tmp_path, mode):
    Image.fromarray(pictures.picture(6)).convert(mode).save(tmp_path / "x.png")
    assert read_photo(tmp_path / "x.png").pixels.shape == (360, 480, 3)


def test_wide_gamut_profile_is_converted(pictures, tmp_path):
    from PIL import ImageCms

    image = Image.fromarray(pictures.picture(6))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    image.save(tmp_path / "x.png", icc_profile=lab)
    assert read_photo(tmp_path / "x.png").pixels.shape == (360, 480, 3)


def test_working_size_and_metadata(pictures, tmp_path):
    Image.fromarray(pictures.picture(7, 2000, 3000)).save(tmp_path / "x.jpg", exif=_exif(6, focal=60))
    photo = read_photo(tmp_path / "x.jpg")
    assert photo.original_size == (3000, 2000)
    assert photo.size == (1440, 960)
    assert photo.focal_35mm == 60


def test_hundred_megapixels_stay_bounded(tmp_path):
    import resource

    grey = Image.linear_gradient("L").resize((11600, 8700))
    grey.save(tmp_path / "x.jpg", quality=50)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    photo = read_photo(tmp_path / "x.jpg")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert photo.size == (1440, 1080)
    assert photo.original_size == (11600, 8700)
    assert grown < 300_000  # KiB


def test_heic(pictures, tmp_path):
    heif = pytest.importorskip("pillow_heif")
    pixels = pictures.picture(8)
    heif.from_pillow(Image.fromarray(pixels)).save(tmp_path / "x.heic", quality=95)
    assert _close(read_photo(tmp_path / "x.heic").pixels, pixels, 8)


def test_heic_without_reader_names_the_command(tmp_path, monkeypatch):
    (tmp_path / "x.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    real = builtins.__import__

    def without_heif(name, *args, **kwargs):
        if name == "pillow_heif":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_heif)
    with pytest.raises(MissingComponentError, match="pip install pillow-heif") as caught:
        read_photo(tmp_path / "x.HEIC")
    assert caught.value.exit_code == ExitCode.MISSING_COMPONENT


def _jpeg(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_an_image"),
        (b"%PDF-1.7 not a picture", "not_an_image"),
        ("truncated", "photo_damaged"),
        ("thumbnail", "photo_too_small"),
        ("black", "photo_blank"),
    ],
)
def test_bad_files_are_refused(pictures, tmp_path, content, code):
    whole = _jpeg(pictures.picture(9))
    made = {
        "truncated": whole[: len(whole) // 2],
        "thumbnail": _jpeg(pictures.picture(9, 160, 120)),
        "black": _jpeg(np.zeros((360, 480, 3), np.uint8)),
    }
    path = tmp_path / "3.jpg"
    path.write_bytes(content if isinstance(content, bytes) else made[content])
    with pytest.raises(BadInputError) as caught:
        read_photo(path)
    assert caught.value.code == code
    assert "3.jpg" in caught.value.message
    assert caught.value.advice
    assert caught.value.exit_code == ExitCode.BAD_INPUT


def test_bomb_is_refused(pictures, tmp_path, monkeypatch):
    Image.fromarray(pictures.picture(1)).save(tmp_path / "x.png")
    monkeypatch.setattr(decoding.Image, "MAX_IMAGE_PIXELS", 10_000)
    with pytest.raises(BadInputError) as caught:
        read_photo(tmp_path / "x.png")
    assert caught.value.code == "photo_too_large"


@pytest.mark.parametrize("jaws", list(Jaws))
def test_folder_by_number(pictures, tmp_path, jaws):
    pictures.write_five(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".DS_Store").write_text("x")
    photos = read_photo_folder(tmp_path, jaws)
    assert tuple(photos) == views_needed(jaws)
    assert all(photo.source.stem == str(view.value) for view, photo in photos.items())


@pytest.mark.parametrize(
    ("names", "jaws", "expected"),
    [
        (("IMG_10.jpg", "IMG_9.jpg", "IMG_11.jpg", "IMG_12.jpg", "IMG_8.jpg"), Jaws.BOTH, (8, 9, 10, 11, 12)),
        (("1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"), Jaws.BOTH, (1, 2, 3, 4, 5)),
        (("a1.png", "a2.png", "a3.png", "a4.png"), Jaws.LOWER, (1, 2, 3, 4)),
        (("a1.png", "a2.png", "a3.png", "a4.png", "a5.png"), Jaws.LOWER, (1, 2, 3, 4, 5)),
    ],
)
def test_folder_by_any_name(pictures, tmp_path, names, jaws, expected):
    pictures.write_five(tmp_path, names)
    photos = read_photo_folder(tmp_path, jaws)
    numbers = tuple(int("".join(filter(str.isdigit, p.source.stem))) for p in photos.values())
    assert numbers == expected  # of five, which is not needed only the pictures tell
    assert tuple(photos) == (views_needed(jaws) if len(names) < len(View) else tuple(View))


def test_a_sidecar_is_no_second_photo(pictures, tmp_path):
    pictures.write_five(tmp_path, [f"{k}.jpg" for k in range(5)])
    (tmp_path / "0.xmp").write_text("<x/>")
    assert read_photo_folder(tmp_path, Jaws.BOTH)[View.ANTERIOR].source.name == "0.jpg"


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        (("0.jpg", "1.jpg", "2.jpg", "4.jpg"), "photos_missing", "Maxillary Occlusal"),
        (("a.jpg", "b.jpg"), "too_few_photos", "5 are needed"),
        ((), "too_few_photos", "0 photo"),
        (tuple(f"{k}.jpg" for k in "abcdef"), "too_many_photos", "6 photos"),
        (("0.jpg", "0.png", "1.jpg", "2.jpg", "3.jpg"), "photo_ambiguous", "0.png"),
    ],
)
def test_folder_refusals(pictures, tmp_path, names, code, words):
    pictures.write_five(tmp_path, names)
    with pytest.raises(BadInputError, match=words) as caught:
        read_photo_folder(tmp_path, Jaws.BOTH)
    assert caught.value.code == code


def test_missing_folder_and_file_in_its_place(tmp_path):
    (tmp_path / "file").write_text("x")
    for path, code in ((tmp_path / "nowhere", "folder_missing"), (tmp_path / "file", "not_a_folder")):
        with pytest.raises(BadInputError) as caught:
            read_photo_folder(path, Jaws.BOTH)
        assert caught.value.code == code


def test_folder_without_permission(pictures, tmp_path, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(BadInputError) as caught:
        read_photo_folder(tmp_path, Jaws.BOTH)
    assert caught.value.code == "folder_permission"
    monkeypatch.setattr(Path, "open", lambda self, *a: denied(self))
    with pytest.raises(BadInputError) as caught:
        read_photo(tmp_path / "0.jpg")
    assert caught.value.code == "file_permission"


@pytest.mark.parametrize("change", ["copy", "recoded", "mirrored", "upside_down", "small", "quarter_turn"])
def test_same_photo_twice(pictures, tmp_path, change):
    pictures.write_five(tmp_path)
    image = Image.open(tmp_path / "1.jpg")
    changed = {
        "copy": image,
        "recoded": image.point(lambda v: min(255, int(v * 1.15 + 5))),
        "mirrored": image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "upside_down": image.transpose(Image.Transpose.ROTATE_180),
        "small": image.resize((400, 300)),
        "quarter_turn": image.transpose(Image.Transpose.ROTATE_90),
    }[change]
    changed.save(tmp_path / "2.jpg", quality=40)
    with pytest.raises(BadInputError, match=r"1\.jpg and 2\.jpg") as caught:
        read_photo_folder(tmp_path, Jaws.BOTH)
    assert caught.value.code == "photo_twice"


@pytest.mark.parametrize("case", ["case-a", "case-c"])
def test_real_photos_are_five_different_ones(shared, case):
    photos = read_photo_folder(shared / "cases" / case / "photos", Jaws.BOTH)
    assert len(photos) == 5


@pytest.mark.parametrize("case", ["case-a", "case-c"])
def test_a_frame_that_all_photos_share_does_not_make_them_one(shared, case, tmp_path):
    for path in (shared / "cases" / case / "photos").iterdir():
        photo = Image.open(path)
        slide = Image.new("RGB", (round(1.5 * photo.width), round(1.5 * photo.height)), (12, 10, 10))
        slide.paste(photo, (photo.width // 4, photo.height // 4))
        slide.save(tmp_path / path.name, quality=80)
    assert len(read_photo_folder(tmp_path, Jaws.BOTH)) == 5


def test_slots_apply_turns_and_flips(pictures, tmp_path):
    pictures.write_five(tmp_path, tuple(f"{k}.png" for k in range(5)))
    slots = [PhotoSlot(view, tmp_path / f"{view.value}.png", 1, True) for view in View]
    photo = read_photo_slots(slots, Jaws.BOTH)[View.ANTERIOR]
    assert np.array_equal(photo.pixels, np.rot90(pictures.picture(0))[:, ::-1])
    with pytest.raises(BadInputError, match="Anterior"):
        read_photo_slots(slots[1:], Jaws.BOTH)


@pytest.mark.parametrize("first", [(0, True), (1, False), (3, True)])
@pytest.mark.parametrize("second", [(2, False), (1, True), (3, False)])
def test_turns_compose(pictures, first, second):
    pixels = pictures.picture(1)
    photo = Photo(View.ANTERIOR, pixels, None, Path("x")).turned(*first).turned(*second)
    assert np.array_equal(photo.pixels, turn(pixels, photo.quarter_turns, photo.mirrored))


def test_focal_from_sensor_and_nonsense():
    full_frame = {0x920A: 100.0, 0xA20E: 6000 / 36.0, 0xA210: 4, 0xA002: 6000, 0xA003: 4000}
    assert focal_35mm(full_frame, (6000, 4000)) == pytest.approx(100, rel=1e-6)
    assert focal_35mm({**full_frame, 0xA405: 105}, (6000, 4000)) == 105
    assert focal_35mm({**full_frame, 0xA405: 105}, (4000, 4000)) is None  # cropped
    assert focal_35mm({0xA405: 0}, (100, 100)) is None
    assert focal_35mm({0xA405: "x", 0x920A: None}, (100, 100)) is None
    assert focal_in_pixels(43.2666, 3000, 4000) == pytest.approx(5000, rel=1e-5)
