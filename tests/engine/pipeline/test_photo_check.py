"""What a look at the photos alone tells of each."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from teethscape.dental.photos import Photo
from teethscape.dental.views import View
from teethscape.pipeline import photo_check
from teethscape.progress import NoProgress
from teethscape.segmentation.quality import PhotoQuality
from teethscape.segmentation.recognition import Look, PhotoRecognition, ViewRecognition, recognise_looks

#: The view that each slot's photo really shows.
SHOWN = (
    View.MANDIBULAR_OCCLUSAL,
    View.MAXILLARY_OCCLUSAL,
    View.ANTERIOR,
    View.LEFT_BUCCAL,
    View.RIGHT_BUCCAL,
)


def test_of_two_photos_of_one_side_each_is_told_by_itself(monkeypatch):
    pixels = np.zeros((30, 40, 3), np.uint8)
    looks = []
    for view in (View.ANTERIOR, View.LEFT_BUCCAL, View.LEFT_BUCCAL):
        chance = np.full((5, 2), 1e-4)
        chance[view] = 1.0 - 0.1 * len(looks), 1e-3
        looks.append(Look(np.log(chance), 0.0, 0.3, np.ones((30, 40), np.float32)))
    seen = recognise_looks(looks, [pixels] * 3)
    given = {v: Photo(v, pixels, None, Path(f"{v.value}.jpg"), (), (40, 30)) for v in list(View)[:3]}
    record = _checked(monkeypatch, given, seen)
    assert [photo["view"] for photo in record["photos"].values()] == [
        "anterior",
        "left_buccal",
        "left_buccal",
    ]
    assert [photo["rotation"] for photo in record["photos"].values()] == [0, 0, 0]
    assert [photo["mirrored"] for photo in record["photos"].values()] == [None, None, None]
    assert any("1.jpg and 2.jpg show the same side" in text for text in record["problems"])


def _checked(monkeypatch, given, seen):
    runtime = SimpleNamespace(path=Path("segmenter.onnx"))
    monkeypatch.setattr(photo_check, "recognise", lambda *_args: seen)
    monkeypatch.setattr(photo_check, "segmenter", lambda: SimpleNamespace(runtime=runtime))
    return photo_check.checked(given, NoProgress())


def test_every_photo_is_told_by_the_view_that_it_shows(monkeypatch):
    pixels = np.zeros((30, 40, 3), np.uint8)
    given = {v: Photo(v, pixels, None, Path(f"IMG_{v.value}.jpg"), (), (40, 30)) for v in View}
    seen = ViewRecognition(
        tuple(PhotoRecognition(view, 1.0, 0, None, 0.3, (), PhotoQuality()) for view in SHOWN)
    )
    record = _checked(monkeypatch, given, seen)
    assert [photo["view"] for photo in record["photos"].values()] == [view.slug for view in SHOWN]
    assert [photo["side"] for photo in record["photos"].values()] == [None, None, None, "left", "right"]
