"""``teethscape segment`` writes masks that lie on the photos as they were given."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.dental.fdi import Jaws
from teethscape.dental.photos import Photo
from teethscape.dental.views import View
from teethscape.parametric.numbering.mirror import MirroredError
from teethscape.pipeline import segment_folder
from teethscape.pipeline.segment_output import as_given
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


def test_a_mirrored_photo_is_refused_and_the_record_names_it(tmp_path, monkeypatch):
    photos = {
        v: Photo(v, np.zeros((8, 8, 3), np.uint8), None, Path(f"{v.value}.jpg"), (), (8, 8)) for v in View
    }
    seen = {v: PhotoRecognition(v, 1.0, 0, None, 0.3, (), PhotoQuality()) for v in View}
    found = segment_folder._Found(photos, seen, photos)

    def mirrored(*_args):
        raise MirroredError((View.ANTERIOR,))

    runtime = SimpleNamespace(path=Path("segmenter.onnx"), knows_gum=True)
    for name, fake in {
        "read_photo_folder": lambda *_args: photos,
        "_found": lambda *_args: found,
        "run_network": lambda *_args: {},
        "labels_of": lambda *_args: None,
        "_numbered": mirrored,
        "segmenter": lambda: SimpleNamespace(runtime=runtime),
    }.items():
        monkeypatch.setattr(segment_folder, name, fake)
    with pytest.raises(MirroredError, match="Anterior photo fits"):
        segment_folder.segment_folder(tmp_path, tmp_path / "out", Jaws.BOTH, NoProgress())
    record = json.loads((tmp_path / "out" / "segmentation.json").read_text("utf-8"))
    assert [photo["mirrored"] for photo in record["photos"].values()] == [True, False, False, None, None]
    assert record["refused"]["code"] == "photo_mirrored"
