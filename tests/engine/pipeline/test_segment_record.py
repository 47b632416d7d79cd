"""``segmentation.json``: what it says of photos and teeth, checked by its schema."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.dental.fdi import Jaw
from teethscape.dental.photos import Photo
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.pipeline.segment_output import SegmentedPhoto, write_gum
from teethscape.pipeline.segment_record import (
    FlipVerdict,
    finding_record,
    mirroring_of,
    segmentation_record,
    tooth_records,
    write_record,
)
from teethscape.segmentation.quality import PhotoQuality
from teethscape.segmentation.recognition import PhotoRecognition
from teethscape.segmentation.redraw import ToothMaps
from teethscape.segmentation.segmenter import Segmentation

RUNTIME = SimpleNamespace(path=Path("segmenter.onnx"))


def _photo(view: View, **changes) -> Photo:
    pixels = np.zeros((60, 80, 3), np.uint8)
    return replace(Photo(view, pixels, None, Path(f"{view.value}.jpg"), original_size=(160, 120)), **changes)


def _finding(view: View | None, quality: PhotoQuality | None = None) -> PhotoRecognition:
    return PhotoRecognition(view, 0.97, 0, None, 0.2, (), quality or PhotoQuality(blur_px=1.0))


def _entry(view: View, **changes):
    return {**finding_record(_photo(view), _finding(view), mirroring_of(_photo(view))), **changes}


def test_a_set_without_teeth_yet_fits_the_schema(tmp_path):
    entries = {view: _entry(view) for view in View}
    record = segmentation_record(entries, RUNTIME)
    assert [record["photos"][str(k)]["side"] for k in range(5)] == [None, "left", "right", None, None]
    assert record["problems"] == []
    assert json.loads(write_record(tmp_path, record).read_text("utf-8")) == record


def test_a_wrong_subject_has_no_view():
    photo, quality = _photo(View.ANTERIOR), PhotoQuality(none=0.9, shows_teeth=False)
    entry = finding_record(photo, _finding(None, quality), mirroring_of(photo))
    assert (entry["view"], entry["quality"]["verdict"]) == (None, "unusable")
    assert entry["quality"]["findings"][0]["reason"] == "wrong_subject"
    segmentation_record({View.ANTERIOR: entry}, RUNTIME)


def test_a_refusal_is_part_of_the_record():
    refused = RefusedError("numbering_uncertain", "Which teeth?", "Give masks.")
    record = segmentation_record({View.ANTERIOR: _entry(View.ANTERIOR)}, RUNTIME, (), refused)
    assert record["refused"] == {
        "code": "numbering_uncertain",
        "message": "Which teeth?",
        "advice": "Give masks.",
    }


def test_a_record_that_breaks_its_schema_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="schema"):
        segmentation_record({View.ANTERIOR: _entry(View.ANTERIOR, rotation=45)}, RUNTIME)


def test_a_tooth_has_jaw_confidence_and_place():
    upright = np.zeros((60, 80), np.uint8)
    upright[10:20, 10:30], upright[30:40, 10:20] = 11, 46
    instances = np.zeros((60, 80), np.int32)
    instances[10:20, 10:20], instances[10:20, 20:30], instances[30:40, 10:20] = 1, 2, 3
    seen = Segmentation(
        View.ANTERIOR, instances, {1: Jaw.UPPER, 2: Jaw.UPPER, 3: Jaw.LOWER}, {1: 0.9, 2: 0.5, 3: 0.8},
        {}, np.zeros((7, 30, 40), np.float32), ToothMaps(*np.zeros((3, 60, 80), np.uint8)), instances > 9,
    )  # fmt: skip
    given = upright.repeat(2, 0).repeat(2, 1)
    one, two = tooth_records(given, upright, seen)
    assert (one["fdi"], one["jaw"], one["box"]) == (11, "upper", [20, 20, 59, 39])
    assert one["confidence"] == pytest.approx(0.7)  # two halves joined by the numbering
    assert (two["fdi"], two["jaw"], two["pixels"]) == (46, "lower", 400)
    segmentation_record({View.ANTERIOR: _entry(View.ANTERIOR, mask="0.png", teeth=[one, two])}, RUNTIME)


@pytest.mark.parametrize(
    ("view", "same_side", "tested", "mirrored"),
    [
        (View.ANTERIOR, False, FlipVerdict.NOT, None),
        (View.ANTERIOR, False, FlipVerdict.of(False), False),
        (View.ANTERIOR, False, FlipVerdict.of(True), True),
        (View.MAXILLARY_OCCLUSAL, False, FlipVerdict.of(None), None),
        (View.LEFT_BUCCAL, False, FlipVerdict.NOT, None),  # both may be flipped, and have changed places
        (View.LEFT_BUCCAL, False, FlipVerdict.of(None), None),
        (View.LEFT_BUCCAL, False, FlipVerdict.of(False), False),
        (View.LEFT_BUCCAL, False, FlipVerdict.of(True), True),
        (View.LEFT_BUCCAL, True, FlipVerdict.NOT, None),
    ],
)
def test_mirroring_is_said_only_as_far_as_it_is_known(view, same_side, tested, mirrored):
    found = mirroring_of(_photo(view), same_side, tested)
    assert found.mirrored is mirrored
    assert found.words


def test_what_the_user_flipped_was_mirrored():
    assert mirroring_of(_photo(View.ANTERIOR, mirrored=True)).mirrored is True


def test_gums_are_written_on_the_photo_as_it_was_given(tmp_path):
    from PIL import Image

    gum = np.zeros((60, 80), bool)
    gum[:20] = True
    one = SegmentedPhoto(View.ANTERIOR, _photo(View.ANTERIOR), np.zeros((60, 80), np.uint8))
    assert write_gum(tmp_path, one, gum) == "gum/0.png"
    with Image.open(tmp_path / "gum" / "0.png") as image:
        written = np.asarray(image)
    assert written.shape == (120, 160)
    assert (written[:40] == 255).all()
    assert (written[40:] == 0).all()
