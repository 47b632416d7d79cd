"""Teeth drawn anew from what the network saw and what a model expects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.segmentation.redraw import ToothMaps

from .maps import perfect_maps, row_of_teeth

#: What a model would call the teeth.
FDI = np.array([0, 24, 25, 26, 27])


@pytest.fixture
def truth():
    return row_of_teeth(4)


@pytest.fixture
def maps(truth):
    seen = perfect_maps(truth)
    return ToothMaps.of(seen, seen.tooth)


def shifted(labels, right):
    """A model a few px off."""
    return FDI[np.roll(labels, right, axis=1)].astype(np.int32)


def overlap(found, wanted):
    return (found & wanted).sum() / (found | wanted).sum()


def test_a_model_a_little_off_gives_the_photos_own_outlines(truth, maps):
    drawn = maps.redrawn(shifted(truth, 8))
    for k in range(1, 5):
        assert overlap(drawn == FDI[k], truth == k) > 0.93
        assert overlap(shifted(truth, 8) == FDI[k], truth == k) < 0.8


def test_two_teeth_between_which_the_network_saw_nothing_are_parted_where_the_model_says(truth):
    joined = truth.copy()
    joined[joined == 2] = 1
    seen = perfect_maps(joined)
    drawn = ToothMaps.of(seen, seen.tooth).redrawn(FDI[truth].astype(np.int32))
    assert overlap(drawn == 24, truth == 1) > 0.75
    assert overlap(drawn == 25, truth == 2) > 0.75


def test_a_tooth_that_the_photo_hides_is_not_drawn(truth, maps):
    hidden = maps.tooth.copy()
    hidden[truth == 4] = 0
    drawn = replace(maps, tooth=hidden).redrawn(FDI[truth].astype(np.int32))
    assert set(np.unique(drawn)) == {0, 24, 25, 26}


def test_tooth_pixels_far_from_the_model_stay_without_a_number(truth, maps):
    expected = np.where(truth == 4, 0, FDI[truth]).astype(np.int32)
    drawn = maps.redrawn(expected)
    assert (drawn[truth == 4] > 0).mean() < 0.65
    assert drawn[145, 100 + 60 * 4 - 5] == 0


def test_a_tooth_is_not_cut_where_the_model_is_much_too_small(truth, maps):
    columns = np.flatnonzero((truth == 4).any(axis=0))
    narrower = FDI[truth].astype(np.int32)
    narrower[:, columns[-1] - round(0.65 * len(columns)) :] = 0
    drawn = maps.redrawn(narrower)
    assert (drawn[truth == 4] > 0).mean() > 0.97


def test_rough_teeth_far_beside_the_photos_take_less_of_their_neighbours(truth, maps):
    beside = shifted(truth, 22)
    fitted, rough = maps.redrawn(beside), maps.redrawn(beside, rough=True)
    scores = [np.mean([overlap(d == FDI[k], truth == k) for k in range(1, 5)]) for d in (fitted, rough)]
    assert scores[1] > scores[0]


def test_likelihood_and_explained_borders_fall_when_the_model_goes_astray(truth, maps):
    exact, off, far = (shifted(truth, k) for k in (0, 6, 30))
    assert maps.likelihood(exact) > maps.likelihood(off) > maps.likelihood(far)
    assert maps.explained(exact, one_jaw=False) > 0.95
    assert maps.explained(far, one_jaw=False) < 0.7
    lost = np.where(truth > 2, 0, exact).astype(np.int32)
    assert 0.4 < maps.explained(lost, one_jaw=False) < 0.7


def test_borders_between_teeth_are_confirmed_where_the_photo_has_them(truth, maps):
    exact, far = (shifted(truth, k) for k in (0, 30))
    assert maps.confirmed(exact) > 0.95
    assert maps.confirmed(far) < 0.5
    assert maps.confirmed(np.where(truth > 2, 0, exact).astype(np.int32)) > 0.95  # the rest is right
    assert maps.confirmed(np.zeros_like(exact)) == 1.0


def test_teeth_of_the_other_jaw_at_the_edge_of_an_occlusal_photo_need_no_model(truth):
    both = truth.copy()
    both[-30:, 40:200] = 5  # cut off by the picture's lower edge
    both[5:30, 40:200] = 6  # not cut off: a tooth that the model lacks
    seen = perfect_maps(both)
    maps = ToothMaps.of(seen, seen.tooth)
    exact = FDI[truth].astype(np.int32)
    assert maps.explained(exact, one_jaw=False) + 0.05 < maps.explained(exact, one_jaw=True) < 0.9
    lacking = perfect_maps(np.where(both == 6, 0, both))
    assert ToothMaps.of(lacking, lacking.tooth).explained(exact, one_jaw=True) > 0.95


def test_teeth_of_a_jaw_that_is_not_asked_for_need_no_model(truth, maps):
    own = np.where(truth <= 2, FDI[truth], 0).astype(np.int32)
    left = maps.without(np.repeat(np.repeat(truth > 2, 2, axis=0), 2, axis=1))  # of any size
    assert maps.explained(own, one_jaw=False) < 0.7
    assert left.explained(own, one_jaw=False) > 0.95
    assert left.likelihood(FDI[truth].astype(np.int32)) == pytest.approx(left.likelihood(own), abs=0.05)
    assert set(np.unique(left.redrawn(FDI[truth].astype(np.int32)))) == {0, 24, 25}


def test_a_border_that_the_network_saw_is_clear_and_another_is_not(truth, maps):
    edge = truth[:, 1:] != truth[:, :-1]
    assert maps.clarity[:, 1:][edge].mean() > 0.6
    middle = maps.energy > 200
    assert maps.clarity[middle].mean() < 0.1


def test_nothing_expected_and_nothing_seen(truth, maps):
    assert not maps.redrawn(np.zeros_like(truth)).any()
    blank = perfect_maps(np.zeros_like(truth))
    empty = ToothMaps.of(blank, blank.tooth)
    assert not empty.redrawn(FDI[truth].astype(np.int32)).any()
    assert empty.explained(FDI[truth].astype(np.int32), one_jaw=False) == 1.0


def test_maps_survive_a_picture_file(maps):
    again = ToothMaps.unstacked(maps.stacked)
    np.testing.assert_array_equal(again.stacked, maps.stacked)
    assert again.size == (800, 300)


def test_maps_shrink_with_the_teeth_of_the_other_jaw(maps, truth):
    small = maps.without(truth > 2).scaled(0.5)
    assert small.size == (400, 150)
    assert small.others is not None
    own = (truth > 0) & (truth <= 2)
    assert small.teeth.sum() == pytest.approx(own.sum() / 4, rel=0.05)
    assert small.others.sum() == pytest.approx((truth > 2).sum() / 4, rel=0.05)


def test_labels_are_enlarged_to_the_photo(truth, maps):
    photo = np.where((truth > 0)[..., None], (225, 215, 190), (190, 110, 110)).astype(np.uint8)
    large = maps.at_photo(FDI[truth].astype(np.int32), np.kron(photo, np.ones((2, 2, 1), np.uint8)))
    assert large.shape == (600, 1600)
    assert set(np.unique(large)) == set(FDI.tolist())
    assert overlap(large == 25, np.kron(truth == 2, np.ones((2, 2), bool))) > 0.95
