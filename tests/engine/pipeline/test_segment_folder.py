"""``teethscape segment`` writes masks that lie on the photos as they were given."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.dental.fdi import Jaw
from teethscape.dental.masks import read_masks
from teethscape.dental.photos import Photo
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.errors import BadInputError, UsageError
from teethscape.parametric.numbering.mirror import MirroredError
from teethscape.pipeline import segment_folder
from teethscape.pipeline.segment_output import as_given, remove_former, require_output
from teethscape.progress import NoProgress
from teethscape.segmentation.quality import PhotoQuality
from teethscape.segmentation.recognition import PhotoRecognition


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_mask_is_turned_back_and_enlarged(turns, mirrored):
    original = np.zeros((60, 80), np.uint8)
    original[5:20, 50:75] = 11
    original[30:50, 4:30] = 21
    working = original[::2, ::2]
    photo = Photo(View.ANTERIOR, np.repeat(working[..., None], 3, 2), None, Path("0.jpg"), (), (80, 60))
    photo = photo.turned(turns, mirrored)
    back = as_given(photo.pixels[..., 0], photo)
    assert back.shape == original.shape
    assert (back != original).mean() < 0.03


def test_a_mirrored_photo_is_refused_and_its_teeth_are_given_without_numbers(tmp_path, monkeypatch):
    photos = {
        v: Photo(v, np.zeros((8, 8, 3), np.uint8), None, Path(f"{v.value}.jpg"), (), (8, 8)) for v in View
    }
    seen = {v: PhotoRecognition(v, 1.0, 0, None, 0.3, (), PhotoQuality()) for v in View}
    found = segment_folder._Found(photos, seen, photos)

    def mirrored(*_args):
        raise MirroredError((View.ANTERIOR,))

    instances = np.zeros((8, 8), np.int32)
    instances[:4], instances[4:6], instances[6:] = 1, 2, 300  # the last one fits into no byte
    jaws, sure = {1: Jaw.UPPER, 2: Jaw.LOWER, 300: Jaw.LOWER}, {1: 0.9, 2: 0.5, 300: 0.1}
    seen_teeth = SimpleNamespace(instances=instances, jaw_of=jaws, confidence=sure, gum=instances == 9)
    runtime = SimpleNamespace(path=Path("segmenter.onnx"))
    for name, fake in {
        "read_photo_folder": lambda *_args: photos,
        "_found": lambda *_args: found,
        "run_network": lambda *_args: dict.fromkeys(View, seen_teeth),
        "find_labels": lambda *_args: None,
        "_numbered": mirrored,
        "segmenter": lambda: SimpleNamespace(runtime=runtime),
    }.items():
        monkeypatch.setattr(segment_folder, name, fake)
    with pytest.raises(MirroredError, match="Anterior photo fits"):
        segment_folder.segment_folder(segment_folder.SegmentRequest(tmp_path, tmp_path / "out"), NoProgress())
    record = json.loads((tmp_path / "out" / "segmentation.json").read_text("utf-8"))
    assert [photo["mirrored"] for photo in record["photos"].values()] == [True, None, None, None, None]
    assert record["refused"]["code"] == "photo_mirrored"
    teeth = record["photos"]["0"]["teeth"]
    assert [(t["fdi"], t["value"], t["jaw"]) for t in teeth] == [(None, 100, "upper"), (None, 101, "lower")]
    assert teeth[0]["confidence"] == 0.9
    masks, _ = read_masks(tmp_path / "out", photos, MaskValues.NAMED)
    assert set(np.unique(masks[View.ANTERIOR])) == {0, 100, 101}
    with pytest.raises(BadInputError):
        read_masks(tmp_path / "out", photos, MaskValues.FDI)


def test_masks_never_replace_photos(tmp_path):
    photo = Photo(View.ANTERIOR, np.zeros((8, 8, 3), np.uint8), None, tmp_path / "0.png", (), (8, 8))
    with pytest.raises(UsageError) as refusal:
        require_output(tmp_path / "." / "../" / tmp_path.name, [photo])
    assert refusal.value.code == "same_folder"
    (tmp_path / "a_file").touch()
    with pytest.raises(BadInputError) as refused:
        require_output(tmp_path / "a_file", [photo])
    assert refused.value.code == "output_not_folder"
    require_output(tmp_path / "masks", [photo])
    with pytest.raises(BadInputError) as refused:  # told before the work
        require_output(tmp_path / ("x" * 300), [photo])
    assert refused.value.code == "output_not_writable"


def test_a_former_result_is_removed_and_nothing_else(tmp_path):
    names = ("0.png", "4.png", "gum/0.png", "notes.txt")
    (tmp_path / "gum").mkdir()
    for name in names:
        (tmp_path / name).touch()
    remove_former(tmp_path)
    assert all((tmp_path / name).exists() for name in names)  # no record: not ours
    (tmp_path / "segmentation.json").touch()
    remove_former(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["notes.txt"]
