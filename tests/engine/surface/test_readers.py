"""Data sets of other programs: Blender's, COLMAP's in both forms, DTU's."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from PIL import Image

from teethscape.errors import BadInputError
from teethscape.surface.read.blender import read_blender
from teethscape.surface.read.colmap import pose_of, read_colmap, read_sparse
from teethscape.surface.read.dtu import decomposed, read_dtu
from teethscape.surface.read.folder import read_view_folder

SIZE = (12, 10)
QUATERNION, SHIFT = (0.9, 0.1, -0.3, 0.2), (0.1, -0.2, 2.0)


def _picture(path, mode="RGBA", size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (200, 100, 50, 255)[: len(mode)]).save(path)


def test_blender(tmp_path):
    matrix = np.eye(4)
    matrix[2, 3] = 4
    _picture(tmp_path / "train" / "r_0.png")
    frames = [{"file_path": "./train/r_0", "transform_matrix": matrix.tolist()}]
    (tmp_path / "transforms_train.json").write_text(json.dumps({"camera_angle_x": 1.0, "frames": frames}))
    views = read_blender(tmp_path)
    assert views.intrinsics[0, 0, 0] == pytest.approx(6 / np.tan(0.5))
    pixels, depth = views.project(0, np.zeros((1, 3)))
    np.testing.assert_allclose(pixels[0], (6, 5))
    assert depth[0] == pytest.approx(4)


def test_blender_damaged(tmp_path):
    (tmp_path / "transforms_train.json").write_text("{}")
    with pytest.raises(BadInputError) as refused:
        read_blender(tmp_path)
    assert refused.value.code == "views_damaged"


def _colmap_text(folder):
    place = folder / "sparse" / "0"
    place.mkdir(parents=True)
    (place / "cameras.txt").write_text("# comment\n1 PINHOLE 12 10 20 21 6 5\n")
    pose = " ".join(map(str, (*QUATERNION, *SHIFT)))
    (place / "images.txt").write_text(f"# comment\n1 {pose} 1 a.png\n\n2 {pose} 1 b.png\n1.0 2.0 -1\n")
    (place / "points3D.txt").write_text("1 0.1 0.2 0.3 10 20 30 0.5 1 0\n2 0.3 0.1 0.2 10 20 30 0.5\n")


def _colmap_binary(folder):
    place = folder / "sparse" / "0"
    place.mkdir(parents=True)
    (place / "cameras.bin").write_bytes(struct.pack("<QiiQQ4d", 1, 1, 1, 12, 10, 20, 21, 6, 5))
    images = struct.pack("<Q", 2)
    for number, name in ((2, b"b.png"), (1, b"a.png")):
        images += struct.pack("<i7di", number, *QUATERNION, *SHIFT, 1) + name + b"\0"
        images += struct.pack("<Qddq", 1, 1.0, 2.0, -1)
    (place / "images.bin").write_bytes(images)
    points = struct.pack("<Q", 2)
    points += struct.pack("<Q3d3BdQii", 1, 0.1, 0.2, 0.3, 10, 20, 30, 0.5, 1, 1, 0)
    points += struct.pack("<Q3d3BdQ", 2, 0.3, 0.1, 0.2, 10, 20, 30, 0.5, 0)
    (place / "points3D.bin").write_bytes(points)


@pytest.mark.parametrize("write", [_colmap_text, _colmap_binary])
def test_colmap(tmp_path, write):
    write(tmp_path)
    for name in ("a.png", "b.png"):
        _picture(tmp_path / "images" / name, "RGB")
    model = read_sparse(tmp_path)
    assert model.names == ("a.png", "b.png")
    np.testing.assert_allclose(model.points, [[0.1, 0.2, 0.3], [0.3, 0.1, 0.2]])
    views = read_colmap(tmp_path)
    point = np.array([[0.2, 0.1, 0.4]])
    local = pose_of(QUATERNION, SHIFT) @ np.append(point, 1)
    pixels, depth = views.project(1, point)
    np.testing.assert_allclose(pixels[0], (20 * local[0] / local[2] + 6, 21 * local[1] / local[2] + 5))
    assert depth[0] == pytest.approx(local[2])


def test_colmap_with_distortion_is_refused(tmp_path):
    _colmap_text(tmp_path)
    (tmp_path / "sparse" / "0" / "cameras.txt").write_text("1 OPENCV 12 10 20 21 6 5 0.1 0 0 0\n")
    with pytest.raises(BadInputError, match="undistort"):
        read_sparse(tmp_path)


def test_a_projection_comes_apart_whatever_its_scale():
    k = np.array([[30.0, 0, 6], [0, 31, 5], [0, 0, 1]])
    pose = pose_of(QUATERNION, SHIFT)
    for factor in (1.0, -2.5):
        found_k, found_pose = decomposed(factor * k @ pose)
        np.testing.assert_allclose(found_k, k, atol=1e-9)
        np.testing.assert_allclose(found_pose, pose, atol=1e-9)


def _dtu(folder, mask_size=SIZE):
    """A scan of two pictures; its intrinsics."""
    k = np.array([[30.0, 0, 6], [0, 31, 5], [0, 0, 1]])
    scale = np.diag([100.0, 100, 100, 1])
    scale[:3, 3] = 5, 6, 7
    world = np.eye(4)
    world[:3] = k @ pose_of(QUATERNION, SHIFT) @ np.linalg.inv(scale)
    np.savez(
        folder / "cameras.npz", world_mat_0=world, scale_mat_0=scale, world_mat_1=world, scale_mat_1=scale
    )
    for number in range(2):
        _picture(folder / "image" / f"{number:03d}.png", "RGB")
        _picture(folder / "mask" / f"{number:03d}.png", "RGB", mask_size if number else SIZE)
    return k


def test_dtu(tmp_path):
    k = _dtu(tmp_path)
    views = read_dtu(tmp_path)
    np.testing.assert_allclose(views.intrinsics[0, 0], (30, 0, 6.5), atol=1e-6)
    local = pose_of(QUATERNION, SHIFT) @ (0.1, 0.2, 0.3, 1)
    pixels, _ = views.project(0, np.array([[0.1, 0.2, 0.3]]))
    np.testing.assert_allclose(pixels[0] - 0.5, (k @ local)[:2] / local[2], atol=1e-6)


def _blender_of_three(folder):
    frames = [{"file_path": f"./train/r_{k}", "transform_matrix": np.eye(4).tolist()} for k in range(3)]
    (folder / "transforms_train.json").write_text(json.dumps({"camera_angle_x": 1.0, "frames": frames}))
    for k in range(3):
        _picture(folder / "train" / f"r_{k}.png", size=(8, 8) if k == 1 else SIZE)
    return read_blender, "r_1.png"


def _colmap_of_two(folder):
    _colmap_text(folder)
    _picture(folder / "images" / "a.png")
    _picture(folder / "images" / "b.png", size=(8, 8))
    return read_colmap, "b.png"


def _dtu_with_an_odd_mask(folder):
    _dtu(folder, mask_size=(8, 8))
    return read_dtu, "mask/001.png"


def _rendered(folder):
    poses = np.repeat(np.eye(3, 4)[None], 3, axis=0)
    meta = {"poses": poses.tolist(), "K": np.eye(3).tolist()}
    (folder / "meta.json").write_text(json.dumps(meta))
    for k in range(3):
        _picture(folder / f"{k:03d}.png", size=(8, 8) if k == 2 else SIZE)
    return read_view_folder, "002.png"


@pytest.mark.parametrize("write", [_blender_of_three, _colmap_of_two, _dtu_with_an_odd_mask, _rendered])
def test_a_picture_of_another_size_is_named(tmp_path, write):
    read, odd = write(tmp_path)
    with pytest.raises(BadInputError) as refused:
        read(tmp_path)
    assert refused.value.code == "views_damaged"
    assert odd in refused.value.message
    assert "8 x 8" in refused.value.message


def test_a_data_set_without_pictures_is_refused(tmp_path):
    (tmp_path / "transforms_train.json").write_text(json.dumps({"camera_angle_x": 1.0, "frames": []}))
    with pytest.raises(BadInputError) as refused:
        read_blender(tmp_path)
    assert refused.value.code == "views_missing"
