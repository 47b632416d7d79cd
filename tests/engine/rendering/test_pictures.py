"""PNG files by a foreign reader, and the rectangle of an object in a picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rendering.crop import Crop, crop_around
from rendering.png import bare_png, png_bytes

from teethscape.dataset.published_views import intrinsics, target_cameras
from teethscape.dental.fdi import Jaw


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (37, 64)])
def test_a_png_holds_the_very_values(shape):
    rgba = np.random.default_rng(0).integers(0, 256, (*shape, 4), np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png_bytes(rgba)))), rgba)


def test_remarks_leave_a_png_and_its_picture_stays():
    rgba = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    stream = io.BytesIO()
    remarks = PngInfo()
    remarks.add_text("Date", "2026/11/26 02:22:38")
    Image.fromarray(rgba).save(stream, "PNG", pnginfo=remarks, dpi=(72, 72))
    bare = bare_png(stream.getvalue())
    assert b"Date" in stream.getvalue()
    assert b"tEXt" not in bare
    assert b"pHYs" not in bare
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(bare))), rgba)


def test_the_crop_holds_every_vertex_and_little_more():
    rng = np.random.default_rng(0)
    vertices = rng.uniform(-0.3, 0.3, (2000, 3))
    K, pose = intrinsics(256), target_cameras(Jaw.UPPER, 256).poses[9]
    crop = crop_around(vertices, pose, K, margin=2)
    seen = (vertices @ pose[:, :3].T + pose[:, 3]) @ K.T.astype(float)
    pixels = seen[:, :2] / seen[:, 2:]
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    assert (low >= [crop.left + 2, crop.top + 2]).all()
    assert (high <= [crop.right - 2, crop.bottom - 2]).all()
    assert (low - [crop.left, crop.top] < 3).all()
    assert (np.array([crop.right, crop.bottom]) - high < 3).all()


def test_what_lies_outside_the_picture_is_cut_and_what_is_behind_the_camera_is_not_judged():
    K, pose = intrinsics(64), target_cameras(Jaw.UPPER, 64).poses[0]
    right, forward = pose[0, :3], pose[2, :3]
    assert crop_around(np.array([5 * right, 6 * right]), pose, K).is_empty
    assert crop_around(np.array([0 * right, 9 * right]), pose, K).right == 64
    assert crop_around(np.array([-2.0 * forward, forward]), pose, K) == Crop(0, 0, 64, 64)


def test_a_part_is_pasted_in_its_place():
    whole = Crop(2, 1, 5, 3).pasted(np.ones((2, 3, 4), np.float32), 6)
    assert whole.shape == (6, 6, 4)
    assert whole.sum() == 24
    assert (whole[1:3, 2:5] == 1).all()
