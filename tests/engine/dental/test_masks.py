"""Masks are read in every usual form and refused when they cannot be meant."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from teethscape.dental.masks import ids_of, read_label_image, read_masks
from teethscape.dental.photos import Photo
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.dental.wishes import Backdrop
from teethscape.diffusion.pictures import read_picture
from teethscape.errors import BadInputError, ExitCode, RefusedError
from teethscape.pipeline.montage import read_montage


def _photo(size=(480, 360), original=(960, 720)) -> Photo:
    return Photo(View.ANTERIOR, np.zeros((size[1], size[0], 3), np.uint8), None, Path("0.jpg"), (), original)


def _labels(values, width=960, height=720) -> np.ndarray:
    mask = np.zeros((height, width), np.int32)
    for k, value in enumerate(values):
        mask[height // 4 : height // 2, 40 * k + 10 : 40 * k + 40] = value
    return mask


def _read(folder, mask, values=MaskValues.FDI, photo=None, mode="L"):
    if mode == "P":
        image = Image.fromarray(mask.astype(np.uint8), "P")
        image.putpalette([(37 * k) % 256 for k in range(768)])
        image.save(folder / "0.png")
    elif mode == "16":
        cv2.imwrite(str(folder / "0.png"), mask.astype(np.uint16))
    elif mode == "RGB":
        Image.fromarray(np.repeat(mask.astype(np.uint8)[..., None], 3, 2)).save(folder / "0.png")
    else:
        Image.fromarray(mask.astype(np.uint8)).save(folder / "0.png")
    masks, notices = read_masks(folder, {View.ANTERIOR: photo or _photo()}, values)
    return masks[View.ANTERIOR], notices


@pytest.mark.parametrize("mode", ["L", "P", "16", "RGB"])
def test_pixel_formats(tmp_path, mode):
    mask, notices = _read(tmp_path, _labels([11, 21, 47]), mode=mode)
    assert mask.shape == (360, 480)
    assert mask.dtype == np.int32
    assert sorted(np.unique(mask)) == [0, 11, 21, 47]
    assert notices == ()


def test_sixteen_bit_instances_keep_large_ids(tmp_path):
    mask, _ = _read(tmp_path, _labels([700, 1200]), MaskValues.INSTANCES, mode="16")
    assert sorted(np.unique(mask)) == [0, 700, 1200]


def test_same_aspect_is_scaled_with_a_notice(tmp_path):
    mask, notices = _read(tmp_path, _labels([11], 1920, 1440))
    assert mask.shape == (360, 480)
    assert "scaled" in notices[0]


def test_working_size_needs_no_notice(tmp_path):
    labels = _labels([11], 480, 360)
    mask, notices = _read(tmp_path, labels)
    assert np.array_equal(mask, labels)
    assert notices == ()


def test_mask_turns_with_its_photo(tmp_path):
    labels = _labels([11, 12])
    photo = _photo().turned(1, True)
    mask, _ = _read(tmp_path, labels, photo=photo)
    assert np.array_equal(mask, np.rot90(labels[::2, ::2])[:, ::-1])


@pytest.mark.parametrize("size", [(720, 960), (900, 720)])
def test_other_size_is_refused(tmp_path, size):
    with pytest.raises(BadInputError, match=r"0\.png.*0\.jpg") as caught:
        _read(tmp_path, _labels([11], *size))
    assert caught.value.code == "mask_size"
    assert ("rotated" in caught.value.advice) is (size == (720, 960))


@pytest.mark.parametrize(
    ("values", "kind", "code"),
    [
        ([], MaskValues.FDI, "mask_empty"),
        ([19], MaskValues.FDI, "mask_values"),
        ([1, 2, 3], MaskValues.JAWS, "mask_values"),
        ([200], MaskValues.FDI, "mask_values"),
    ],
)
def test_meaningless_values_are_refused(tmp_path, values, kind, code):
    with pytest.raises(BadInputError) as caught:
        _read(tmp_path, _labels(values), kind)
    assert caught.value.code == code


def test_milk_teeth_are_refused(tmp_path):
    with pytest.raises(RefusedError, match="55") as caught:
        _read(tmp_path, _labels([16, 55, 11]))
    assert caught.value.exit_code == ExitCode.REFUSED


def test_third_molar_is_noticed(tmp_path):
    mask, notices = _read(tmp_path, _labels([17, 18]))
    assert 18 in mask
    assert "18" in notices[0]


@pytest.mark.parametrize("content", [None, b"\x89PNG\r\n\x1a\nbroken"])
def test_missing_and_damaged(tmp_path, content):
    if content:
        (tmp_path / "0.png").write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        read_masks(tmp_path, {View.ANTERIOR: _photo()}, MaskValues.FDI)
    assert caught.value.code == ("mask_damaged" if content else "mask_missing")


def test_colour_overlay_is_not_a_mask(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (720, 960, 3), np.uint8)).save(
        tmp_path / "0.png"
    )
    with pytest.raises(BadInputError) as caught:
        read_masks(tmp_path, {View.ANTERIOR: _photo()}, MaskValues.FDI)
    assert caught.value.code == "mask_colour"


@pytest.mark.parametrize("kind", [np.uint8, np.int32])
def test_ids_are_listed_without_the_background(kind):
    assert ids_of(np.array([[0, 36, 11], [11, 0, 2]], kind)) == [2, 11, 36]
    assert ids_of(np.zeros((2, 3), kind)) == []


@pytest.mark.parametrize(
    ("read", "code"),
    [
        (read_label_image, "mask_damaged"),
        (read_montage, "not_an_image"),
        (lambda path: read_picture(path, Backdrop.WHITE), "not_an_image"),
    ],
    ids=["mask", "strip", "masked photo"],
)
def test_pictures_that_say_they_are_huge_are_refused(tmp_path, monkeypatch, read, code):
    path = tmp_path / "0.png"
    Image.fromarray(np.full((10, 10), 11, np.uint8)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 49)
    with pytest.raises(BadInputError) as refused:
        read(path)
    assert refused.value.code == code
    assert "0.png" in refused.value.message
