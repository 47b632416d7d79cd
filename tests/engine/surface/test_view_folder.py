"""Folders of rendered views whose pictures or cameras are wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from teethscape.errors import BadInputError
from teethscape.surface.read.any import read_views
from teethscape.surface.read.folder import read_rgba, read_view_folder
from teethscape.surface.request import SurfaceRequest

SIZE = (12, 10)


def _picture(path, size=SIZE):
    Image.new("RGBA", size, (200, 100, 50, 255)).save(path)


def _refusal(folder):
    with pytest.raises(BadInputError) as refused:
        read_view_folder(folder)
    return refused.value


def test_a_rendered_view_of_another_size_is_named(tmp_path):
    poses = np.repeat(np.eye(3, 4)[None], 3, axis=0)
    (tmp_path / "meta.json").write_text(json.dumps({"poses": poses.tolist(), "K": np.eye(3).tolist()}))
    for k in range(3):
        _picture(tmp_path / f"{k:03d}.png", size=(8, 8) if k == 2 else SIZE)
    told = _refusal(tmp_path)
    assert told.code == "views_damaged"
    assert "002.png" in told.message
    assert "8 x 8" in told.message


_POSES, _K = [np.eye(3, 4).tolist()] * 2, [[40.0, 0, 6], [0, 40, 5], [0, 0, 1]]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"poses": [np.eye(4).tolist()] * 2}, "poses"),
        ({"poses": np.reshape(_POSES, (2, 12)).tolist()}, "poses"),
        ({"poses": [_POSES[0], np.full((3, 4), np.nan).tolist()]}, "poses"),
        ({"poses": [_POSES[0], np.zeros((3, 4)).tolist()]}, "view 1"),
        ({"poses": [_POSES[0], np.diag([-1.0, 1, 1, 0])[:3].tolist()]}, "view 1"),
        ({"K": np.ravel(_K).tolist()}, "K"),
        ({"K": np.full((3, 3), np.nan).tolist()}, "K"),
        ({"K": np.zeros((3, 3)).tolist()}, "focal"),
        ({"jaw": []}, "jaw"),
        ({"jaw": {}}, "jaw"),
    ],
    ids=["4 x 4", "flat", "nan", "zeros", "mirror", "flat K", "nan K", "no focal length", "list", "object"],
)
def test_wrong_cameras_of_rendered_views_are_refused(tmp_path, wrong, words):
    for k in range(2):
        _picture(tmp_path / f"{k:03d}.png")
    path, right = tmp_path / "meta.json", {"poses": _POSES, "K": _K, "jaw": None}
    path.write_text(json.dumps(right))
    assert len(read_view_folder(tmp_path)) == 2
    path.write_text(json.dumps({**right, **wrong}))
    told = _refusal(tmp_path)
    assert told.code == "views_damaged"
    assert str(path) in told.message
    assert words in told.message


def _three(folder, **more):
    poses = np.repeat(np.eye(3, 4)[None], 3, axis=0).tolist()
    facts = {"poses": poses, "K": _K, "jaw": None, **more}
    (folder / "meta.json").write_text(json.dumps(facts))
    for view in range(3):
        _picture(folder / f"{view:03d}.png")


def test_a_view_that_is_there_but_not_to_be_kept_is_not_said_to_be_lacking(tmp_path):
    _three(tmp_path)
    request = SurfaceRequest(tmp_path, tmp_path / "m.ply", keep=(1, 2), leave_out=(0,))
    with pytest.raises(BadInputError, match=r"no view 0 among those to be kept; its views are 1, 2\."):
        read_views(request)


@pytest.mark.parametrize("source", ["alone", "pair"])
def test_metadata_tell_whether_a_jaw_was_normalised_by_itself(tmp_path, source):
    _three(tmp_path, jaw="upper", placement={"source": source})
    assert read_view_folder(tmp_path).is_alone == (source == "alone")


def _with_normals(folder, colours=None, size=(12, 10)):
    """Three views whose normals are of a size, and their colours where they have some."""
    _three(folder, jaw="upper")
    (folder / "meta.json").rename(folder / "meta_normal.json")
    for view in range(3):
        _picture(folder / f"{view:03d}_normal.png", size)
    if colours is None:
        for view in range(3):
            (folder / f"{view:03d}.png").unlink()
        return
    (folder / "meta.json").write_text((folder / "meta_normal.json").read_text())
    for view in range(3):
        _picture(folder / f"{view:03d}.png", colours)


def test_normals_are_no_colours(tmp_path):
    _with_normals(tmp_path)
    views = read_view_folder(tmp_path)
    assert not views.colour_mask.any()
    assert not views.colours.any()
    assert views.foreground.all()
    with pytest.raises(BadInputError, match="holds no colours"):
        read_views(SurfaceRequest(tmp_path, tmp_path / "m.ply", normals=False))


@pytest.mark.parametrize("colours", [(24, 20), (25, 20)])
def test_colours_of_another_size_are_brought_to_the_normals(tmp_path, colours):
    _with_normals(tmp_path, colours)
    assert read_view_folder(tmp_path).colours.shape == (3, 10, 12, 3)


@pytest.mark.parametrize("colours", [(20, 24), (16, 10)])
def test_colours_of_another_form_than_the_normals_are_refused(tmp_path, colours):
    _with_normals(tmp_path, colours)
    told = _refusal(tmp_path)
    assert told.code == "views_damaged"
    assert "its normals 12 x 10" in told.message


def test_a_view_that_is_asked_for_twice_is_read_once(tmp_path):
    _three(tmp_path)
    assert read_view_folder(tmp_path, (2, 2, 0)).names == ("view 2", "view 0")


def _twins(folder, colour_poses=None, views=3):
    """Normals and colours of three views."""
    poses = np.repeat(np.eye(3, 4)[None], 3, axis=0).tolist()
    for stem, kept in (("meta_normal", poses), ("meta", colour_poses or poses)):
        (folder / f"{stem}.json").write_text(json.dumps({"poses": kept, "K": _K, "jaw": None}))
    for view in range(views):
        _picture(folder / f"{view:03d}.png")
        _picture(folder / f"{view:03d}_normal.png")


def test_a_normal_picture_that_is_lost_is_named_unless_the_view_is_not_wanted(tmp_path):
    _twins(tmp_path)
    (tmp_path / "001_normal.png").unlink()
    told = _refusal(tmp_path)
    assert told.code == "views_missing"
    assert "001_normal.png does not exist" in told.message
    assert read_view_folder(tmp_path, [0, 2]).names == ("view 0", "view 2")
    (tmp_path / "001.png").unlink()
    assert read_view_folder(tmp_path).names == ("view 0", "view 2")


def test_pictures_without_a_pose_are_refused(tmp_path):
    _twins(tmp_path, views=4)
    told = _refusal(tmp_path)
    assert told.code == "views_damaged"
    assert "has 3 poses, none for 003_normal.png" in told.message


def test_colours_of_other_cameras_than_the_normals_are_refused(tmp_path):
    turned = [np.eye(3, 4).tolist(), np.eye(3, 4)[[1, 2, 0]].tolist(), np.eye(3, 4).tolist()]
    _twins(tmp_path, turned)
    told = _refusal(tmp_path)
    assert told.code == "views_damaged"
    assert "cameras of the colours" in told.message


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"poses": [], "K": [[1' + "0" * 400 + "]]}"], ids=["deep", "large"]
)
def test_metadata_that_python_cannot_hold_are_damaged(tmp_path, text):
    (tmp_path / "meta.json").write_text(text)
    assert _refusal(tmp_path).code == "views_damaged"


def test_grey_pictures_of_sixteen_bits_keep_their_levels(tmp_path):
    levels = np.array([[0, 1000, 32896, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "grey.png")
    read = read_rgba(tmp_path / "grey.png")
    assert read.shape == (1, 4, 4)
    np.testing.assert_allclose(read[0, :, 0], levels[0] / 65535, atol=1 / 255)
    assert (read[..., 3] == 1).all()
