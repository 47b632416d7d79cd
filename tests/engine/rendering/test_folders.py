"""Folders of views: metadata first, whole files, resuming, and refusing what was made otherwise."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from rendering.folders import ViewFolders

from teethscape.dataset import portable_pickle
from teethscape.dataset.published_views import target_cameras
from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError


@pytest.fixture
def folders(tmp_path) -> ViewFolders:
    paths = (tmp_path / "a_left", tmp_path / "a_front")
    return ViewFolders(paths, target_cameras(Jaw.UPPER, 64, 3), (".png",), "meta", {"uid": "a", "size": 64})


def test_metadata_comes_first_and_in_both_forms(folders):
    assert folders.missing(overwrite=False) == [0, 1, 2]
    assert not folders.paths[0].exists()  # asking writes nothing
    folders.begin(False, {"placement": 1})
    for folder in folders.paths:
        assert sorted(path.name for path in folder.iterdir()) == ["meta.json", "meta.pkl"]
        record = json.loads((folder / "meta.json").read_text("utf-8"))
        np.testing.assert_array_equal(record["poses"], folders.cameras.poses)
        np.testing.assert_array_equal(portable_pickle.load(folder / "meta.pkl")[4], folders.cameras.poses)
        assert (record["uid"], record["placement"]) == ("a", 1)


def test_a_run_goes_on_where_the_last_one_ended(folders):
    folders.begin(False, {})
    folders.put(1, {".png": b"one"})
    (folders.paths[0] / "000.png").write_bytes(b"only in one folder")
    (folders.paths[0] / ".002.png.77.part").write_bytes(b"killed while writing")
    assert folders.missing(False) == [0, 2]
    folders.begin(False, {})
    assert not list(folders.paths[0].glob(".*"))
    assert (folders.paths[1] / "001.png").read_bytes() == b"one"


def test_other_settings_are_refused_and_nothing_is_touched(folders):
    folders.begin(False, {})
    folders.put(0, {".png": b"one"})
    before = (folders.paths[0] / "meta.json").read_bytes()
    other = replace(folders, facts={"uid": "a", "size": 128})
    for call in (lambda: other.missing(False), lambda: other.begin(False, {})):
        with pytest.raises(BadInputError) as caught:
            call()
        assert caught.value.code == "folder_differs"
    assert (folders.paths[0] / "meta.json").read_bytes() == before
    assert (folders.paths[0] / "000.png").read_bytes() == b"one"


def test_another_placement_is_refused_once_it_is_known(folders):
    folders.begin(False, {"placement": 1})
    folders.put(0, {".png": b"one"})
    assert folders.missing(False) == [1, 2]
    with pytest.raises(BadInputError):
        folders.begin(False, {"placement": 2})


def test_foreign_pictures_are_not_overwritten_unasked(folders):
    folders.paths[0].mkdir()
    (folders.paths[0] / "000.png").write_bytes(b"published")
    with pytest.raises(BadInputError):
        folders.missing(False)


def test_overwriting_removes_old_pictures_and_no_others(folders):
    folders.begin(False, {})
    folders.put(0, {".png": b"one"})
    (folders.paths[0] / "000_normal.png").write_bytes(b"of the other script")
    other = replace(folders, facts={"uid": "a", "size": 128})
    assert other.missing(True) == [0, 1, 2]
    other.begin(True, {})
    assert not (folders.paths[0] / "000.png").exists()
    assert (folders.paths[0] / "000_normal.png").exists()
    assert json.loads((folders.paths[0] / "meta.json").read_text("utf-8"))["size"] == 128


def test_settings_may_change_while_there_are_no_pictures(folders):
    folders.begin(False, {})
    replace(folders, facts={"uid": "a", "size": 128}).begin(False, {})
    assert json.loads((folders.paths[0] / "meta.json").read_text("utf-8"))["size"] == 128
