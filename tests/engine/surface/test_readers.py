"""Data sets of other programs: Blender's, COLMAP's in both forms, DTU's."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from teethscape.dental.fdi import Jaw
from teethscape.dental.wishes import ForegroundName
from teethscape.errors import BadInputError, UsageError
from teethscape.surface.read.any import read_views
from teethscape.surface.read.blender import read_blender
from teethscape.surface.read.colmap import pose_of, read_colmap, read_sparse
from teethscape.surface.read.dtu import decomposed, read_dtu
from teethscape.surface.request import SurfaceRequest

SIZE = (12, 10)
QUATERNION, SHIFT = (0.9, 0.1, -0.3, 0.2), (0.1, -0.2, 2.0)


def _picture(path, mode="RGBA", size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (200, 100, 50, 255)[: len(mode)]).save(path)


def _blender(folder, *names, angle=1.0, matrix=None):
    if matrix is None:
        matrix = np.eye(4)
        matrix[2, 3] = 4
    frames = [
        {"file_path": f"./train/{name}", "transform_matrix": np.asarray(matrix).tolist()} for name in names
    ]
    (folder / "transforms_train.json").write_text(json.dumps({"camera_angle_x": angle, "frames": frames}))


def _refusal(read, folder):
    with pytest.raises(BadInputError) as refused:
        read(folder)
    return refused.value


def test_blender(tmp_path):
    _picture(tmp_path / "train" / "r_0.png")
    _blender(tmp_path, "r_0")
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


def test_a_picture_that_says_it_is_huge_is_refused(tmp_path, monkeypatch):
    _picture(tmp_path / "train" / "r_0.png")
    _blender(tmp_path, "r_0")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12 * 10 // 2 - 1)
    told = _refusal(read_blender, tmp_path)
    assert told.code == "views_damaged"
    assert "r_0.png" in told.message


def test_blender_names_with_dots_are_found(tmp_path):
    for name in ("frame.0001.png", "frame.0002.jpg"):
        _picture(tmp_path / "train" / name, "RGB")
    _blender(tmp_path, "frame.0001", "frame.0002.jpg")
    assert len(read_blender(tmp_path)) == 2


def test_blender_data_that_cannot_be_are_refused(tmp_path):
    _blender(tmp_path)
    assert _refusal(read_blender, tmp_path).code == "views_missing"
    _blender(tmp_path, "r_0")
    told = _refusal(read_blender, tmp_path)
    assert "r_0.png" in told.message
    assert "ender" not in told.advice  # a photo of the user's is no render
    _picture(tmp_path / "train" / "r_0.png")
    _picture(tmp_path / "train" / "r_1.png", size=(9, 9))
    _blender(tmp_path, "r_0", "r_1")
    assert "r_1.png" in _refusal(read_blender, tmp_path).message
    _blender(tmp_path, "r_0", matrix=np.eye(3))
    assert _refusal(read_blender, tmp_path).code == "views_damaged"
    _blender(tmp_path, "r_0", matrix=np.zeros((4, 4)))
    assert _refusal(read_blender, tmp_path).code == "views_damaged"
    _blender(tmp_path, "r_0", angle=0.0)
    assert _refusal(read_blender, tmp_path).code == "views_damaged"


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
    told = _refusal(read_sparse, tmp_path)
    assert told.code == "camera_distorted"
    assert "OPENCV" in told.message
    assert "image_undistorter" in told.advice


def test_colmap_names_a_distorted_camera_of_a_binary_model(tmp_path):
    _colmap_binary(tmp_path)
    cameras = struct.pack("<QiiQQ4d", 1, 1, 2, 12, 10, 20, 6, 5, 0.1)
    (tmp_path / "sparse" / "0" / "cameras.bin").write_bytes(cameras)
    assert "SIMPLE_RADIAL" in _refusal(read_sparse, tmp_path).message


def test_colmap_cut_within_a_name_ends(tmp_path):
    _colmap_binary(tmp_path)
    path = tmp_path / "sparse" / "0" / "images.bin"
    path.write_bytes(path.read_bytes()[: 8 + 64 + 3])
    assert _refusal(read_sparse, tmp_path).code == "views_damaged"


def test_colmap_cameras_follow_pictures_that_were_made_smaller(tmp_path):
    _colmap_text(tmp_path)
    for name in ("a.png", "b.png"):
        _picture(tmp_path / "images" / name, "RGB", (6, 5))
    np.testing.assert_allclose(read_colmap(tmp_path).intrinsics[0], [[10, 0, 3], [0, 10.5, 2.5], [0, 0, 1]])
    for name in ("a.png", "b.png"):
        _picture(tmp_path / "images" / name, "RGB", (10, 12))
    assert "12 x 10" in _refusal(read_colmap, tmp_path).message


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("points3D.txt", "# none\n", "no points"),
        ("images.txt", "# none\n", "no registered images"),
        ("cameras.txt", "7 PINHOLE 12 10 20 21 6 5\n", "camera of a.png is missing"),
        ("cameras.txt", "1 PINHOLE 12 10 nan 21 6 5\n", "no numbers"),
    ],
)
def test_colmap_models_that_lack_something_are_refused(tmp_path, file, text, words):
    _colmap_text(tmp_path)
    for name in ("a.png", "b.png"):
        _picture(tmp_path / "images" / name, "RGB")
    (tmp_path / "sparse" / "0" / file).write_text(text)
    assert words in _refusal(read_colmap, tmp_path).message


def test_colmap_brings_points_the_dense_ones_first(tmp_path):
    _colmap_binary(tmp_path)
    for name in ("a.png", "b.png"):
        _picture(tmp_path / "images" / name, "RGB")
    views = read_colmap(tmp_path)
    assert not views.has_masks
    np.testing.assert_allclose(views.points[1], (0.3, 0.1, 0.2))
    np.testing.assert_allclose(views.point_colours[1], np.array([10, 20, 30]) / 255)
    (tmp_path / "dense").mkdir()
    dense = np.random.default_rng(0).uniform(0, 1, (7, 3))
    shades = np.full((7, 4), (255, 0, 0, 255), np.uint8)
    trimesh.PointCloud(dense, shades).export(tmp_path / "dense" / "fused.ply")
    views = read_colmap(tmp_path)
    np.testing.assert_allclose(views.points, dense, atol=1e-6)
    np.testing.assert_allclose(views.point_colours, np.tile((1.0, 0, 0), (7, 1)))


def test_a_projection_comes_apart_whatever_its_scale():
    k = np.array([[30.0, 0, 6], [0, 31, 5], [0, 0, 1]])
    pose = pose_of(QUATERNION, SHIFT)
    for factor in (1.0, -2.5):
        found_k, found_pose = decomposed(factor * k @ pose)
        np.testing.assert_allclose(found_k, k, atol=1e-9)
        np.testing.assert_allclose(found_pose, pose, atol=1e-9)


def _dtu(folder, pictures="image"):
    k = np.array([[30.0, 0, 6], [0, 31, 5], [0, 0, 1]])
    scale = np.diag([100.0, 100, 100, 1])
    scale[:3, 3] = 5, 6, 7
    world = np.eye(4)
    world[:3] = k @ pose_of(QUATERNION, SHIFT) @ np.linalg.inv(scale)
    np.savez(
        folder / "cameras.npz", world_mat_0=world, scale_mat_0=scale, world_mat_1=world, scale_mat_1=scale
    )
    for number in range(2):
        _picture(folder / pictures / f"{number:03d}.png", "RGB")
        _picture(folder / "mask" / f"{number:03d}.png", "RGB")
    return k


@pytest.mark.parametrize("pictures", ["image", "images"])
def test_dtu(tmp_path, pictures):
    k = _dtu(tmp_path, pictures)
    (tmp_path / "sparse" / "0").mkdir(parents=True)  # as GS-Pull keeps them, COLMAP's files beside
    (tmp_path / "sparse" / "0" / "cameras.txt").write_text("")
    views = read_views(SurfaceRequest(tmp_path, tmp_path / "out.ply"))
    np.testing.assert_allclose(views.intrinsics[0, 0], (30, 0, 6.5), atol=1e-6)
    local = pose_of(QUATERNION, SHIFT) @ (0.1, 0.2, 0.3, 1)
    pixels, _ = views.project(0, np.array([[0.1, 0.2, 0.3]]))
    np.testing.assert_allclose(pixels[0] - 0.5, (k @ local)[:2] / local[2], atol=1e-6)


_CAMERAS = {"unit": (1.0, 1.0), "millimetres": (100.0, 1.0), "another": (1.0, 1.1)}


@pytest.mark.parametrize("world", list(_CAMERAS))
def test_dtu_brings_colmaps_points_into_its_world_unless_they_are_of_other_cameras(tmp_path, world):
    _dtu(tmp_path, "images")
    size, off = _CAMERAS[world]
    shift = off * np.array(SHIFT)
    if world == "millimetres":  # R (size x + middle) + t, of which unit-sphere x has R x + SHIFT
        shift = size * shift - pose_of(QUATERNION, SHIFT)[:, :3] @ (5, 6, 7)
    _colmap_text(tmp_path)
    pose = " ".join(map(str, (*QUATERNION, *shift)))
    lines = [f"{k} {pose} 1 {k:03d}.png\n\n" for k in range(2)]
    (tmp_path / "sparse" / "0" / "images.txt").write_text("".join(lines))
    views = read_dtu(tmp_path)
    if world == "another":
        assert views.points is None
        return
    back = (5, 6, 7) if world == "millimetres" else (0, 0, 0)
    wanted = (np.array([[0.1, 0.2, 0.3], [0.3, 0.1, 0.2]]) - back) / size
    np.testing.assert_allclose(views.points, wanted, atol=1e-9)
    np.testing.assert_allclose(views.point_colours, np.tile(np.array([10, 20, 30]) / 255, (2, 1)))
    (tmp_path / "dense").mkdir()
    dense = np.random.default_rng(0).uniform(0, 1, (7, 3))
    trimesh.PointCloud(dense).export(tmp_path / "dense" / "fused.ply")
    np.testing.assert_allclose(read_dtu(tmp_path).points, (dense - back) / size, atol=1e-6)


def test_transparent_pixels_have_no_colour_that_is_believed(tmp_path):
    _blender(tmp_path, "r_0")
    picture = np.full((10, 12, 4), 200, np.uint8)
    picture[:, 6:, 3] = 0
    (tmp_path / "train").mkdir()
    Image.fromarray(picture, "RGBA").save(tmp_path / "train" / "r_0.png")
    mask = read_blender(tmp_path).colour_mask
    assert mask[..., :6].all()
    assert not mask[..., 6:].any()


def test_an_empty_file_of_dtu_cameras_is_refused(tmp_path):
    _dtu(tmp_path)
    (tmp_path / "cameras.npz").write_bytes(b"")
    told = _refusal(read_dtu, tmp_path)
    assert told.code == "views_damaged"
    assert "cameras.npz" in told.message


def test_dtu_masks_of_another_number_or_size_are_refused(tmp_path):
    _dtu(tmp_path)
    _picture(tmp_path / "mask" / "001.png", "RGB", (5, 5))
    assert "mask" in _refusal(read_dtu, tmp_path).message
    (tmp_path / "mask" / "001.png").unlink()
    assert "mask" in _refusal(read_dtu, tmp_path).message


@pytest.mark.parametrize(
    "matrices",
    [
        {},
        {"world_mat_0": np.eye(3), "scale_mat_0": np.eye(4)},
        {"world_mat_0": np.zeros((4, 4)), "scale_mat_0": np.eye(4)},
    ],
    ids=["none", "shape", "zeros"],
)
def test_dtu_cameras_that_are_none_are_refused(tmp_path, matrices):
    _dtu(tmp_path)
    np.savez(tmp_path / "cameras.npz", **matrices)
    told = _refusal(read_dtu, tmp_path)
    assert told.code == "views_damaged"
    assert "cameras.npz" in told.message


def _rendered(folder, **facts):
    """A folder of two rendered views of opaque colours."""
    right = {"poses": [np.eye(3, 4).tolist()] * 2, "K": [[40.0, 0, 6], [0, 40, 5], [0, 0, 1]]}
    (folder / "meta.json").write_text(json.dumps({**right, **facts}))
    for k in range(2):
        _picture(folder / f"{k:03d}.png")


def _asked(folder, **options):
    return read_views(SurfaceRequest(folder, folder / "out.ply", **options))


def _refused_usage(folder, **options):
    with pytest.raises(UsageError) as refused:
        _asked(folder, **options)
    return refused.value


@pytest.mark.parametrize("write", [lambda folder: _blender(folder, "r_0", "r_1"), _colmap_text, _dtu])
def test_numbers_that_no_view_of_a_data_set_has_are_refused(tmp_path, write):
    write(tmp_path)
    for name in ("train/r_0.png", "train/r_1.png", "images/a.png", "images/b.png"):
        _picture(tmp_path / name)
    assert len(_asked(tmp_path, keep=(0, 1))) == 2
    with pytest.raises(BadInputError, match=r"no view 7; its views are 0, 1\.") as refused:
        _asked(tmp_path, keep=(0, 1, 7))
    assert refused.value.code == "views_missing"


@pytest.mark.parametrize("told", [{}, {"jaw": "upper"}], ids=["no jaw", "another jaw"])
def test_the_request_tells_the_jaw_of_rendered_views(tmp_path, told):
    _rendered(tmp_path, **told)
    assert _asked(tmp_path, jaw=Jaw.LOWER, extent_mm=60.0).jaw is Jaw.LOWER
    assert _asked(tmp_path).jaw == (Jaw.UPPER if told else None)


@pytest.mark.parametrize(
    ("option", "given"),
    [("--case", {"case": Path("c")}), ("--extent", {"extent_mm": 60.0}),
     ("--foreground fit", {"foreground": ForegroundName.FIT})],
)  # fmt: skip
def test_what_would_be_ignored_without_a_jaw_is_refused(tmp_path, option, given):
    _rendered(tmp_path)
    told = _refused_usage(tmp_path, **given)
    assert option in told.message
    assert "--jaw" in told.advice
    assert len(_asked(tmp_path, jaw=Jaw.UPPER, **given)) == 2


@pytest.mark.parametrize("given", [{"case": Path("c")}, {"extent_mm": 60.0}, {"jaw": Jaw.LOWER}])
def test_data_sets_of_other_programs_are_of_no_jaw(tmp_path, given):
    _dtu(tmp_path)
    assert _asked(tmp_path).jaw is None
    assert "Leave it out" in _refused_usage(tmp_path, **given).advice


def test_rendered_views_without_normals_on_request(tmp_path):
    _rendered(tmp_path)
    (tmp_path / "meta_normal.json").write_text((tmp_path / "meta.json").read_text())
    for k in range(2):
        _picture(tmp_path / f"{k:03d}_normal.png")
    assert _asked(tmp_path).normals is not None
    assert _asked(tmp_path, normals=False).normals is None


@pytest.mark.parametrize("name", ["plain", "rembg", "sam"])
def test_folders_are_not_cut_out_by_their_looks(tmp_path, name):
    _rendered(tmp_path)
    assert f"--foreground {name}" in _refused_usage(tmp_path, foreground=ForegroundName(name)).message
