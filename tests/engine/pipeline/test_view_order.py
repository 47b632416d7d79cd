"""Findings of the network become an order of photos, cautiously."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from teethscape.dental.fdi import Jaws
from teethscape.dental.photos import Photo
from teethscape.dental.request import MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import BadInputError, ExitCode
from teethscape.pipeline import view_order
from teethscape.pipeline.evidence import labels_from_masks
from teethscape.pipeline.segment_output import as_given
from teethscape.progress import NoProgress
from teethscape.segmentation import recognition
from teethscape.segmentation.quality import PhotoQuality
from teethscape.segmentation.recognition import PhotoRecognition, ViewRecognition

REQUEST = ReconstructRequest(Path("photos"), Path("case"))


def _photos(names="{}.jpg", count=5) -> dict[View, Photo]:
    rng = np.random.default_rng(0)
    return {
        View(k): Photo(View(k), rng.integers(0, 255, (30, 40, 3), np.uint8), None, Path(names.format(k)))
        for k in range(count)
    }


def _seen(*views: View | None, confidence=0.95, rotations=(0, 0, 0, 0, 0)) -> list[PhotoRecognition]:
    return [
        PhotoRecognition(view, confidence, turn, None, 0.2, ())
        for view, turn in zip(views, rotations, strict=False)
    ]


@pytest.fixture
def network(monkeypatch):
    def pretend(findings):
        monkeypatch.setattr(
            recognition, "recognise_views", lambda pixels, _: ViewRecognition(tuple(findings))
        )
        monkeypatch.setattr(view_order, "segmenter", lambda: None)

    return pretend


def test_exchanged_and_upside_down_are_corrected(network):
    network(_seen(View(0), View(2), View(1), View(3), View(4), rotations=(0, 0, 0, 180, 0)))
    photos = _photos()
    ordered = view_order.order_photos(REQUEST, photos, NoProgress())
    assert [p.source.name for p in ordered.values()] == ["0.jpg", "2.jpg", "1.jpg", "3.jpg", "4.jpg"]
    assert "Left Buccal" in ordered[View.LEFT_BUCCAL].notices[0]
    assert "stood on its head" in ordered[View.MAXILLARY_OCCLUSAL].notices[0]
    assert np.array_equal(ordered[View(3)].pixels, photos[View(3)].pixels[::-1, ::-1])


@pytest.mark.parametrize(("rotation", "words"), [(90, "counter-clockwise"), (270, "degrees clockwise")])
def test_a_photo_on_its_side_is_turned_and_its_mask_turned_back(network, rotation, words):
    network(_seen(View(0), View(1), View(2), View(3), View(4), rotations=(rotation, 0, 0, 0, 0)))
    photos = {view: replace(photo, original_size=(40, 30)) for view, photo in _photos().items()}
    front, given = (
        view_order.order_photos(REQUEST, photos, NoProgress())[View.ANTERIOR],
        photos[View.ANTERIOR],
    )
    assert np.array_equal(front.pixels, np.rot90(given.pixels, rotation // 90))
    assert words in front.notices[0]
    assert np.array_equal(as_given(front.pixels[..., 0], front), given.pixels[..., 0])


def test_unsure_network_does_not_overrule_numbers(network):
    network(_seen(View(0), View(1), View(2), View(4), View(3), confidence=0.6))
    ordered = view_order.order_photos(REQUEST, _photos(), NoProgress())
    assert all(photo.source.stem == str(view.value) for view, photo in ordered.items())
    assert "not make it certain" in ordered[View.MAXILLARY_OCCLUSAL].notices[0]


def test_doubt_about_one_pair_does_not_stop_the_other(network):
    findings = _seen(View(0), View(2), View(1), View(4), View(3))
    findings[3:] = [replace(finding, confidence=0.6) for finding in findings[3:]]
    network(findings)
    ordered = view_order.order_photos(REQUEST, _photos(), NoProgress())
    assert [p.source.name for p in ordered.values()] == ["0.jpg", "2.jpg", "1.jpg", "3.jpg", "4.jpg"]


def test_doubt_spreads_along_an_exchange(network):
    findings = _seen(View(0), View(2), View(1), View(3), View(4))
    findings[1] = replace(findings[1], confidence=0.6)
    network(findings)
    ordered = view_order.order_photos(REQUEST, _photos(), NoProgress())
    assert all(photo.source.stem == str(view.value) for view, photo in ordered.items())


def test_unsure_network_still_orders_nameless_photos(network):
    network(_seen(View(4), View(1), View(2), View(3), View(0), confidence=0.6))
    ordered = view_order.order_photos(REQUEST, _photos("IMG_10{}.jpg"), NoProgress())
    assert ordered[View.ANTERIOR].source.name == "IMG_104.jpg"


def test_landscape_is_refused_by_name(network):
    network(_seen(View(0), View(1), None, View(3), View(4)))
    with pytest.raises(BadInputError, match=r"2\.jpg .*Right Buccal") as caught:
        view_order.order_photos(REQUEST, _photos(), NoProgress())
    assert caught.value.code == "not_teeth"
    assert caught.value.exit_code == ExitCode.BAD_INPUT


def test_wrong_occlusal_photo_for_one_jaw_is_refused(network):
    network(_seen(View(0), View(1), View(2), View(4)))
    with pytest.raises(BadInputError, match="Maxillary Occlusal") as caught:
        view_order.order_photos(REQUEST, _photos(count=4), NoProgress())
    assert caught.value.code == "view_missing"


def test_two_photos_of_one_side_are_refused_by_name(network):
    findings = _seen(View(0), View(1), View(2), View(3), View(4))
    findings[1] = replace(findings[1], other_side=3.0)
    network(findings)
    with pytest.raises(BadInputError, match=r"1\.jpg and 2\.jpg show the same side") as caught:
        view_order.order_photos(REQUEST, _photos(), NoProgress())
    assert caught.value.code == "side_twice"
    findings[1] = replace(findings[1], other_side=0.5)  # perhaps not
    network(findings)
    assert len(view_order.order_photos(REQUEST, _photos(), NoProgress())) == 5


def test_a_bad_photo_is_noted(network):
    findings = _seen(View(0), View(1), View(2), View(3), View(4))
    findings[3] = replace(findings[3], quality=PhotoQuality(blur_px=4.0, glare=0.3))
    network(findings)
    ordered = view_order.order_photos(REQUEST, _photos(), NoProgress())
    notices = ordered[View.MAXILLARY_OCCLUSAL].notices
    assert [text.split(":")[0] for text in notices] == ["Blurred", "Glare"]
    assert ordered[View.ANTERIOR].notices == ()


def test_trusted_views_ask_nobody(monkeypatch):
    monkeypatch.setattr(view_order, "segmenter", None)
    photos = _photos()
    assert view_order.order_photos(replace(REQUEST, trust_views=True), photos, NoProgress()) == photos


@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_masks_travel_with_their_photos(small, network, tmp_path, confidence):
    from teethscape.dental.fdi import Jaws
    from teethscape.dental.photos import read_photo_folder

    photos_folder, masks = small.write_inputs(tmp_path, order=(0, 2, 1, 3, 4))
    request = ReconstructRequest(photos_folder, tmp_path / "case", masks, MaskValues.INSTANCES)
    network(
        _seen(View(0), View(2), View(1), View(3), View(4), confidence=confidence, rotations=(0, 0, 0, 180, 0))
    )
    ordered, labels = labels_from_masks(request, read_photo_folder(photos_folder, Jaws.BOTH), NoProgress())
    sure = confidence > 0.9
    assert ordered[View.LEFT_BUCCAL].source.name == ("2.png" if sure else "1.png")
    shown = View.LEFT_BUCCAL if sure else View.RIGHT_BUCCAL
    assert np.array_equal(labels.images[View.LEFT_BUCCAL], small.mask_of(shown))
    mask = small.mask_of(View.MAXILLARY_OCCLUSAL)
    assert np.array_equal(labels.images[View(3)], mask[::-1, ::-1] if sure else mask)


def test_of_five_photos_those_of_the_asked_jaw_stay(network):
    network(_seen(View(4), View(3), View(0), View(1), View(2)))
    request = replace(REQUEST, jaws=Jaws.UPPER)
    ordered = view_order.order_photos(request, _photos("IMG_10{}.jpg"), NoProgress())
    assert {int(view): photo.source.name for view, photo in ordered.items()} == {
        0: "IMG_102.jpg", 1: "IMG_103.jpg", 2: "IMG_104.jpg", 3: "IMG_101.jpg"
    }  # fmt: skip
