"""Cameras of the published render scripts against files that those scripts wrote, and the specification."""

from __future__ import annotations

import json

import numpy as np
import pytest

from teethscape.dataset import published_views as views
from teethscape.dental.fdi import Jaw

TOLERANCE = 1e-5


def _assert_same(cameras: views.Cameras, intrinsics, azimuths, elevations, distances, poses):
    np.testing.assert_allclose(cameras.intrinsics, intrinsics, atol=TOLERANCE)
    np.testing.assert_allclose(cameras.azimuths, azimuths, atol=TOLERANCE)
    np.testing.assert_allclose(cameras.elevations, elevations, atol=TOLERANCE)
    np.testing.assert_allclose(cameras.distances, distances, atol=TOLERANCE)
    np.testing.assert_allclose(cameras.poses, poses, atol=TOLERANCE)


def test_targets_are_those_of_a_published_render(shared):
    folder = shared / "fixtures" / "renders" / "color-bpy-5.0.1" / "case0_norm_upper_left"
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    cameras = views.target_cameras(Jaw.UPPER, 512)
    keys = ("K", "azimuths", "elevations", "distances", "RT")
    _assert_same(cameras, *(np.array(meta[key]) for key in keys))


@pytest.mark.parametrize("jaw", list(Jaw))
def test_targets_are_those_of_the_published_pickles(shared, jaw):
    meta = json.loads((shared / "specs" / "meta_info.json").read_text("utf-8"))[jaw.value]
    keys = ("K", "azimuth", "elevation", "distance", "poses_w2c_opencv")
    _assert_same(views.target_cameras(jaw, 256), *(np.array(meta[key]) for key in keys))


def test_conditioning_views_are_those_of_the_published_pickle(shared):
    meta = json.loads((shared / "specs" / "meta_info.json").read_text("utf-8"))["cond"]
    names = ("left", "front", "right", "down", "up")
    azimuths, elevations = np.array([views.CONDITION_VIEWS[name] for name in names]).T
    cameras = views.cameras(azimuths, elevations, np.full(5, views.DISTANCE), 256)
    np.testing.assert_allclose(cameras.poses, np.array(meta["poses_w2c_opencv"]), atol=TOLERANCE)


def test_a_camera_looks_at_the_origin_with_z_up():
    azimuth, elevation, distance = np.radians(30.0), np.radians(-22.5), 1.7
    pose = views.pose(azimuth, elevation, distance)
    centre = -pose[:, :3].T @ pose[:, 3]
    level = np.cos(elevation)
    expected = [np.cos(azimuth) * level, np.sin(azimuth) * level, np.sin(elevation)]
    np.testing.assert_allclose(centre, distance * np.array(expected), atol=1e-12)
    np.testing.assert_allclose(pose[:, :3] @ pose[:, :3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(pose @ [0, 0, 0, 1], [0, 0, distance], atol=1e-12)
    assert (pose @ [0, 0, 0.1, 1])[1] < 0  # what is higher is higher in the picture: y goes down


def test_the_upper_jaw_is_seen_from_below_and_the_lower_from_above():
    for jaw, sign in ((Jaw.UPPER, -1), (Jaw.LOWER, 1)):
        elevations = views.target_cameras(jaw, 64).elevations
        assert (sign * elevations >= 0).all()
        assert np.abs(elevations).max() == pytest.approx(np.radians(67.5))
    assert views.condition_views(Jaw.UPPER) == ("left", "front", "right", "down")
    assert views.condition_views(Jaw.LOWER) == ("left", "front", "right", "up")


def test_the_file_frame_turns_as_the_published_euler_angles_say():
    x, y = -np.pi / 2, -np.pi
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    np.testing.assert_allclose(views.FILE_TO_WORLD, about_y @ about_x, atol=1e-12)


def test_input_views_scatter_within_the_published_ranges():
    cameras = views.input_cameras("front", 512, 400, 3, "a_upper")
    azimuths, elevations = np.degrees(cameras.azimuths), np.degrees(cameras.elevations)
    assert 80 <= azimuths.min() < 82
    assert 98 < azimuths.max() <= 100
    assert -10 <= elevations.min() < -8
    assert 8 < elevations.max() <= 10
    assert 1.5 <= cameras.distances.min() < 1.51
    assert 1.69 < cameras.distances.max() <= 1.7
    np.testing.assert_allclose(cameras.intrinsics, [[560, 0, 256], [0, 560, 256], [0, 0, 1]])


def test_input_views_depend_on_seed_object_and_view_alone():
    first = views.input_cameras("front", 512, 16, 3, "a_upper").poses
    np.testing.assert_array_equal(first, views.input_cameras("front", 512, 16, 3, "a_upper").poses)
    for view, seed, uid in (("left", 3, "a_upper"), ("front", 4, "a_upper"), ("front", 3, "b_upper")):
        turned = views.input_cameras(view, 512, 16, seed, uid).azimuths
        assert np.ptp(turned - views.input_cameras("front", 512, 16, 3, "a_upper").azimuths) > 0.01


def test_a_meta_file_has_the_published_five_parts():
    parts = views.target_cameras(Jaw.UPPER, 256).published_list()
    assert [part.shape for part in parts] == [(3, 3), (16,), (16,), (16,), (16, 3, 4)]
