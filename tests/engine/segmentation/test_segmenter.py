"""The shipped network on photos it can be asked about."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from teethscape.dataset.negatives import draw_negative
from teethscape.dataset.synthetic_photo import draw_photo
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.views import View
from teethscape.errors import MissingComponentError
from teethscape.parametric.prior import load_prior
from teethscape.segmentation.network import WEIGHTS
from teethscape.segmentation.recognition import recognise_views
from teethscape.segmentation.segmenter import Segmenter


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.load()


@pytest.fixture(scope="module")
def synthetic():
    return draw_photo(load_prior(), View.LEFT_BUCCAL, np.random.default_rng(90_001))


@pytest.fixture(scope="module")
def found(segmenter, synthetic):
    return segmenter.segment(synthetic.pixels, View.LEFT_BUCCAL)


def _photos(case):
    return [cv2.imread(str(case / "photos" / f"{v.value}.jpg"))[..., ::-1].copy() for v in View]


def test_weights_are_small_enough_to_ship():
    assert WEIGHTS.stat().st_size <= 8e6


def test_missing_weights_are_a_missing_component(tmp_path):
    with pytest.raises(MissingComponentError, match=r"segmenter\.onnx"):
        Segmenter.load(tmp_path / "segmenter.onnx")


def test_result_has_the_photos_size_and_speaks_of_every_id(found, synthetic):
    ids = {int(i) for i in np.unique(found.instances) if i}
    assert found.instances.shape == synthetic.labels.shape
    assert ids == set(found.jaw_of) == set(found.confidence) == set(found.kind_of)
    assert all(0 <= c <= 1 for c in found.confidence.values())


def test_photos_seen_side_by_side_are_seen_as_alone(segmenter, synthetic, found):
    wide = np.ascontiguousarray(synthetic.pixels[:, ::-1])
    both = segmenter.segment_all({View.RIGHT_BUCCAL: wide, View.LEFT_BUCCAL: synthetic.pixels})
    assert (both[View.LEFT_BUCCAL].maps.stacked[..., 1:] == found.maps.stacked[..., 1:]).all()


def test_the_first_look_at_a_photo_is_remembered(segmenter, synthetic):
    first = segmenter.runtime.plain(synthetic.pixels)
    assert segmenter.runtime.plain(synthetic.pixels.copy()) is first


def test_only_sets_that_leave_a_doubt_are_looked_at_on_their_heads(segmenter, monkeypatch):
    looked = []
    run = segmenter.runtime.run
    monkeypatch.setattr(segmenter.runtime, "run", lambda pixels: looked.append(pixels) or run(pixels))
    left, right = _drawn_sides(5)
    recognise_views([left, right], segmenter)
    assert len(looked) == 2
    turned, _ = recognise_views([np.ascontiguousarray(left[::-1, ::-1]), right], segmenter).photos
    assert len(looked) == 2 + 1 + 2 * 3
    assert (turned.view, turned.rotation) == (View.LEFT_BUCCAL, 180)


def test_teeth_of_a_new_synthetic_patient_are_found(found, synthetic):
    mask, truth = found.instances > 0, synthetic.labels > 0
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9


def test_jaws_of_a_new_synthetic_patient_are_told_apart(found, synthetic):
    both = (found.instances > 0) & (synthetic.labels > 0)
    ours = np.isin(found.instances[both], [i for i, jaw in found.jaw_of.items() if jaw is Jaw.UPPER])
    truth = np.array([jaw_of(int(t)) is Jaw.UPPER for t in synthetic.labels[both]])
    assert (ours == truth).mean() > 0.9


def test_views_are_recognised_in_any_order_and_on_their_heads(segmenter, shared):
    photos = _photos(shared / "cases" / "case-c")
    order = [3, 2, 4, 0, 1]
    given = [photos[k] for k in order]
    given[0] = np.ascontiguousarray(given[0][::-1, ::-1])
    seen = recognise_views(given, segmenter)
    assert [p.view for p in seen.photos] == [View(k) for k in order]
    assert [p.rotation for p in seen.photos] == [180, 0, 0, 0, 0]
    assert seen.order[View.ANTERIOR] == 3
    assert any("head" in text for text in seen.problems)


def test_a_mirrored_buccal_photo_counts_as_the_other_side(segmenter, shared):
    left = _photos(shared / "cases" / "case-c")[1]
    (seen,) = recognise_views([np.ascontiguousarray(left[:, ::-1])], segmenter).photos
    assert seen.view is View.RIGHT_BUCCAL
    assert seen.mirrored is None


def _drawn_sides(seed):
    views = (View.LEFT_BUCCAL, View.RIGHT_BUCCAL)
    return [draw_photo(load_prior(), v, np.random.default_rng([31_000, int(v), seed])).pixels for v in views]


def test_a_side_is_not_taken_for_the_other_one_on_its_head(segmenter):
    # By itself the network thinks so of this left side.
    found = recognise_views(_drawn_sides(4), segmenter)
    assert [p.view for p in found.photos] == [View.LEFT_BUCCAL, View.RIGHT_BUCCAL]
    assert [p.rotation for p in found.photos] == [0, 0]
    assert found.same_side is None


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_a_side_on_its_head_is_not_taken_for_the_other_one(segmenter, seed):
    # The network says of these that they stand upright; but it knows their teeth better the right way up.
    left, right = _drawn_sides(seed)
    found = recognise_views([np.ascontiguousarray(left[::-1, ::-1]), right], segmenter)
    assert [p.view for p in found.photos] == [View.LEFT_BUCCAL, View.RIGHT_BUCCAL]
    assert [p.rotation for p in found.photos] == [180, 0]
    assert found.same_side is None


@pytest.mark.parametrize(("quarters", "rotation"), [(1, 270), (3, 90)])
def test_a_photo_on_its_side_is_turned(segmenter, quarters, rotation):
    left, right = _drawn_sides(1)
    found = recognise_views([np.ascontiguousarray(np.rot90(left, quarters)), right], segmenter)
    assert [p.view for p in found.photos] == [View.LEFT_BUCCAL, View.RIGHT_BUCCAL]
    assert [p.rotation for p in found.photos] == [rotation, 0]
    words = f"Photo 1: it lies on its side and is turned by {rotation} degrees counter-clockwise."
    assert found.problems[0] == words


def test_an_upright_photo_that_is_higher_than_wide_is_not_turned(segmenter):
    left, _ = _drawn_sides(1)
    height, width = left.shape[:2]
    narrow = np.ascontiguousarray(left[:, (width - height * 3 // 4) // 2 :][:, : height * 3 // 4])
    assert narrow.shape[0] > narrow.shape[1]
    assert recognise_views([narrow], segmenter).photos[0].rotation == 0


def test_two_photos_of_one_side_are_told(segmenter):
    left, right = _drawn_sides(3)
    found = recognise_views([left, np.ascontiguousarray(right[:, ::-1])], segmenter)
    assert found.same_side == (0, 1)


@pytest.mark.parametrize("seed", range(12))
def test_pictures_without_teeth_are_refused(segmenter, seed):
    (seen,) = recognise_views([draw_negative(np.random.default_rng(500 + seed))], segmenter).photos
    assert not seen.shows_teeth
    assert seen.problems


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_pictures_are_refused_and_have_no_instances(segmenter, value):
    flat = np.full((300, 400, 3), value, np.uint8)
    (seen,) = recognise_views([flat], segmenter).photos
    assert not seen.shows_teeth
    assert segmenter.segment(flat, View.ANTERIOR).instances.max() == 0
