"""``dataset check`` finds every way in which a data set can be wrong."""

from __future__ import annotations

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
    assert (report.cases, report.files) == (4, 4 * (3 * 4 * 16 + 8))
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


@pytest.mark.parametrize("part", range(5))
def test_every_number_of_a_camera_is_compared(dataset, part):
    values = portable_pickle.load(dataset / META)
    values[part].reshape(-1)[-1 if part else 0] += 3e-5 if part else 1e-2
    _sign(dataset, META, portable_pickle.dumps(values))
    (message,) = _messages(dataset)
    assert "deviate" in message


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
