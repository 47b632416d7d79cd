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
from teethscape.segmentation.recognition import PhotoRecognition, ViewRecognition

#: The view that each slot's photo really shows.
SHOWN = (
    View.MANDIBULAR_OCCLUSAL,
    View.MAXILLARY_OCCLUSAL,
    View.ANTERIOR,
    View.LEFT_BUCCAL,
    View.RIGHT_BUCCAL,
)


def test_every_photo_is_told_by_the_view_that_it_shows(monkeypatch):
    pixels = np.zeros((30, 40, 3), np.uint8)
    given = {v: Photo(v, pixels, None, Path(f"IMG_{v.value}.jpg"), (), (40, 30)) for v in View}
    seen = ViewRecognition(
        tuple(PhotoRecognition(view, 1.0, 0, None, 0.3, (), PhotoQuality()) for view in SHOWN)
    )
    runtime = SimpleNamespace(path=Path("segmenter.onnx"), knows_gum=True)
    monkeypatch.setattr(photo_check, "recognise", lambda *_args: seen)
    monkeypatch.setattr(photo_check, "segmenter", lambda: SimpleNamespace(runtime=runtime))
    record = photo_check.checked(given, NoProgress())
    assert [photo["view"] for photo in record["photos"].values()] == [view.slug for view in SHOWN]
    assert [photo["side"] for photo in record["photos"].values()] == [None, None, None, "left", "right"]
