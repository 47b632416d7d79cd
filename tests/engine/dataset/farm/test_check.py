"""``dataset check`` finds every way in which a data set can be wrong."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from teethscape.dataset import portable_pickle
from teethscape.dataset.farm.check import check_dataset
from teethscape.dataset.farm.check_poses import pose_problems
from teethscape.dental.views import View
from teethscape.errors import BadInputError
from teethscape.progress import NoProgress


@pytest.fixture
def dataset(sound_set, tmp_path) -> Path:
    return shutil.copytree(sound_set, tmp_path / "set")


def _messages(dataset: Path, quick: bool = False) -> list[str]:
    return [f"{p.place} {p.message}" for p in check_dataset(str(dataset), quick, NoProgress()).problems]


def _put(path: Path, data: bytes) -> None:
    """Replace one name only; the other names of the same bytes stay as they are."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def _sign(dataset: Path, name: str, data: bytes) -> None:
    """Write a file and let the manifest agree, as a wrong script would."""
    _put(dataset / name, data)
    uid = "P2_norm_upper"
    path = dataset / "cases" / f"{uid}.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(manifest), "utf-8")


META = "input/P2_norm_upper_down/meta.pkl"
VIEW = "target/P2_norm_upper_front/004.png"


def test_a_sound_set_passes(dataset):
    report = check_dataset(str(dataset), False, NoProgress())
    assert report.problems == ()
    assert (report.cases, report.files) == (4, 4 * (3 * 4 * 16 + 12))
    assert report.to_json()["exit_code"] == 0


def test_one_flipped_bit_is_found(dataset):
    data = bytearray((dataset / VIEW).read_bytes())
    data[-9] ^= 1
    _put(dataset / VIEW, bytes(data))
    assert _messages(dataset) == [f"{VIEW} is damaged: its checksum is another"]
    assert _messages(dataset, quick=True) == []


def test_a_missing_and_a_stray_file_are_found_quickly(dataset):
    (dataset / VIEW).rename(dataset / VIEW.replace("004", "016"))
    found = _messages(dataset, quick=True)
    assert [m.split(" ")[0] for m in found] == [VIEW, VIEW.replace("004", "016")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89PNG\r\n\x1a\n", "cannot be decoded"),
        ("small", "instead of 16 x 16 RGBA"),
        ("empty", "is empty"),
    ],
)
def test_pictures_are_looked_at(dataset, data, words):
    import cv2

    if isinstance(data, str):
        size = 8 if data == "small" else 16
        data = cv2.imencode(".png", np.zeros((size, size, 4), np.uint8))[1].tobytes()
    _sign(dataset, VIEW, data)
    (message,) = _messages(dataset)
    assert words in message


@pytest.mark.parametrize("name", [META, "normal/P2_norm_upper_left/meta_normal.pkl"])
@pytest.mark.parametrize("part", range(5))
def test_every_number_of_a_camera_is_compared(dataset, name, part):
    values = portable_pickle.load(dataset / name)
    values[part].reshape(-1)[-1 if part else 0] += 3e-5 if part else 1e-2
    _sign(dataset, name, portable_pickle.dumps(values))
    (message,) = _messages(dataset)
    assert "deviate" in message


def test_the_readable_cameras_are_compared_too(dataset):
    parts = ("K", "azimuths", "elevations", "distances", "poses")
    values = portable_pickle.load(dataset / META)
    record = {name: value.tolist() for name, value in zip(parts, values, strict=True)}
    name = META.replace(".pkl", ".json")
    _sign(dataset, name, json.dumps(record).encode())
    assert _messages(dataset) == []
    record["poses"][7][2][3] += 1e-4
    _sign(dataset, name, json.dumps(record).encode())
    assert "deviate" in _messages(dataset)[0]
    _sign(dataset, name, b"{")
    assert "cannot be read" in _messages(dataset)[0]


def _photo_cameras() -> dict:
    pose = np.eye(4)
    pose[:3, 3] = 1.0, 2.0, 300.0
    camera = {"width": 640, "height": 480, "focal_px": 1500.0, "cam2world": pose.tolist()}
    return {view.slug: copy.deepcopy(camera) for view in View}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: None, ""),
        (lambda c: c.pop("anterior"), "five views"),
        (lambda c: c["anterior"].pop("focal_px"), "can be read"),
        (lambda c: c["anterior"].update(focal_px=-1.0), "no camera can be"),
        (lambda c: c["anterior"]["cam2world"][1].__setitem__(1, 1.001), "no camera can be"),
        (lambda c: c["anterior"]["cam2world"][2].__setitem__(2, -1.0), "no camera can be"),
    ],
)
def test_cameras_of_photographs_are_rigid_and_told_alike(change, words):
    files = {}
    for name, cameras in (("cameras.json", _photo_cameras()), ("patient.json", _photo_cameras())):
        if name == "cameras.json":
            change(cameras)
        files[f"photo/P/{name}"] = json.dumps({"cameras": cameras}).encode()
    found = list(pose_problems({"uid": "P", "jaw": None}, files))
    if not words:
        assert found == []
        return
    assert [name for name, _ in found] == ["photo/P/cameras.json", "photo/P/patient.json"]
    assert words in found[0][1]
    assert "other cameras" in found[1][1]


def test_cameras_that_run_code_are_not_run(dataset, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'owned'}",)

    _sign(dataset, META, pickle.dumps([Evil()]))
    (message,) = _messages(dataset)
    assert "cannot be read" in message
    assert not (tmp_path / "owned").exists()


def _splits(dataset: Path, train: list[str], val: list[str]) -> None:
    arrays = {"train": np.array(train), "val": np.array(val)}
    (dataset / "mv-splits.pkl").write_bytes(portable_pickle.dumps(arrays))


ALL = ["P2_norm_lower", "P2_norm_upper", "Ärztin 1_norm_lower", "Ärztin 1_norm_upper"]


@pytest.mark.parametrize(
    ("train", "val", "words"),
    [
        (ALL[::2], ALL[1::2], ["has patient P2 in both splits", "has patient Ärztin 1 in both splits"]),
        (ALL[:2], ALL[2:3], ["lacks Ärztin 1_norm_upper"]),
        ([*ALL[:2], "P9_norm_upper"], ALL[2:], ["lists P9_norm_upper, which is no finished case"]),
        ([*ALL[:2], ALL[0]], ALL[2:], ["lists P2_norm_lower twice"]),
    ],
)
def test_splits_are_compared_with_cases_and_patients(dataset, train, val, words):
    _splits(dataset, train, val)
    assert _messages(dataset) == [f"mv-splits.pkl {word}" for word in words]


def test_splits_as_lists_would_crash_the_loader(dataset):
    (dataset / "mv-splits.pkl").write_bytes(pickle.dumps({"train": ALL[:2], "val": ALL[2:]}))
    assert _messages(dataset) == ["mv-splits.pkl is missing, damaged, or not of two arrays train and val"]


def test_a_folder_without_cases_is_told(tmp_path):
    with pytest.raises(BadInputError, match="no finished case"):
        check_dataset(str(tmp_path), False, NoProgress())
