"""Cameras of Blender's data sets: focal lengths, principal points, distortion, poses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from teethscape.errors import BadInputError
from teethscape.surface.read.blender import read_blender
from teethscape.surface.read.colmap import pose_of

POSE = np.eye(4)
POSE[:3] = pose_of((0.9, 0.1, -0.3, 0.2), (0.1, -0.2, 2.0))


def _write(folder, matrix=POSE, **facts):
    """Two pictures of 12 x 10 pixels, the same one."""
    Image.new("RGBA", (12, 10)).save(folder / "r_0.png")
    frames = [{"file_path": "r_0", "transform_matrix": matrix.tolist()}] * 2
    (folder / "transforms_train.json").write_text(
        json.dumps({"camera_angle_x": 1.0, "frames": frames, **facts})
    )


def _refusal(folder):
    with pytest.raises(BadInputError) as refused:
        read_blender(folder)
    return refused.value


_LENS = {"fl_x": 20, "fl_y": 21, "cx": 5, "cy": 4}


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (_LENS, [[20, 0, 5], [0, 21, 4], [0, 0, 1]]),
        ({**_LENS, "w": 24, "h": 20}, [[10, 0, 2.5], [0, 10.5, 2], [0, 0, 1]]),
        ({"fl_x": 20, "w": 24, "h": 20, "k1": 0.0, "p2": 0}, [[10, 0, 6], [0, 10, 5], [0, 0, 1]]),
    ],
    ids=["of the picture", "of a larger one", "one alone"],
)
def test_blender_focal_lengths_and_principal_points_are_read(tmp_path, facts, wanted):
    _write(tmp_path, **facts)
    np.testing.assert_allclose(read_blender(tmp_path).intrinsics[0], wanted)


def test_blender_frames_may_have_cameras_of_their_own(tmp_path):
    _write(tmp_path)
    path = tmp_path / "transforms_train.json"
    facts = json.loads(path.read_text())
    del facts["camera_angle_x"]
    for frame, lens in zip(facts["frames"], ({"camera_angle_x": 1.0}, _LENS), strict=True):
        frame.update(lens)
    path.write_text(json.dumps(facts))
    np.testing.assert_allclose(read_blender(tmp_path).intrinsics[:, 0, 0], (6 / np.tan(0.5), 20))


@pytest.mark.parametrize(
    "facts",
    [{"k1": 0.1}, {"p2": -0.01}, {"k3": 1e-3}, {"is_fisheye": True}, {"camera_model": "OPENCV_FISHEYE"}],
)
def test_blender_cameras_with_distortion_are_refused(tmp_path, facts):
    _write(tmp_path, **facts, camera_angle_y=1.0)
    told = _refusal(tmp_path)
    assert told.code == "camera_distorted"
    assert next(iter(facts)) in told.message


@pytest.mark.parametrize(
    "facts",
    [
        {"fl_x": 0},
        {"fl_x": 20, "fl_y": -1},
        {"cx": float("nan")},
        {"w": "wide"},
        {"w": 12, "h": 12},
        {"k1": "a"},
        {"cx": 10**400},
    ],
)
def test_blender_cameras_that_cannot_be_are_refused(tmp_path, facts):
    _write(tmp_path, **facts)
    assert _refusal(tmp_path).code == "views_damaged"


@pytest.mark.parametrize("axes", [(-1, 1, 1), (3, 1, 1)], ids=["mirrored", "sheared"])
def test_blender_poses_that_are_no_rotation_are_refused(tmp_path, axes):
    _write(tmp_path, matrix=POSE @ np.diag([*axes, 1]))
    assert _refusal(tmp_path).code == "views_damaged"


def test_blender_poses_lose_their_scale(tmp_path):
    _write(tmp_path, matrix=POSE @ np.diag([2.5, 2.5, 2.5, 1]))
    np.testing.assert_allclose(read_blender(tmp_path).cam2world[0], POSE[:3], atol=1e-12)
