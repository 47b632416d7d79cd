"""Instances that are too long for one tooth are parted across the arch."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dental.fdi import Jaw
from teethscape.segmentation.double_teeth import parted_by_length

#: Length along the arch of the teeth of a straight row that runs towards the throat, px; 60 px broad.
LENGTHS = (40, 40, 42, 44, 60, 58)


def row(merged: tuple[int, int] | None = None) -> np.ndarray:
    """Teeth one below the other, numbered from 1; two may be drawn as one."""
    labels = np.zeros((320, 200), np.int32)
    top = 10
    for k, length in enumerate(LENGTHS):
        labels[top : top + length, 70:130] = k + 1
        top += length
    if merged:
        labels[labels == merged[1]] = merged[0]
    return labels


def order(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels[labels > 0])


@pytest.mark.parametrize("jaw", Jaw)
def test_single_teeth_stay_whole(jaw):
    labels = row()
    found = parted_by_length(labels, jaw, order(labels))
    assert found.origin == {}
    np.testing.assert_array_equal(found.labels, labels)


def test_two_premolars_drawn_as_one_are_parted_at_the_border_that_the_network_saw():
    labels = row(merged=(3, 4))
    border = np.zeros(labels.shape)
    border[130:134] = 0.4  # a faint line where they meet
    found = parted_by_length(labels, Jaw.UPPER, order(labels), border)
    assert found.origin == {7: 3}
    truth = row()
    for part in (3, 7):
        wanted = truth == (3 if (found.labels == part)[95, 100] else 4)
        assert ((found.labels == part) & wanted).sum() / wanted.sum() > 0.9
    np.testing.assert_array_equal(found.labels > 0, labels > 0)


def test_without_a_border_the_cut_is_at_the_narrowest_place():
    labels = row(merged=(3, 4))
    labels[128:136, 70:80] = 0
    labels[128:136, 120:130] = 0
    found = parted_by_length(labels, Jaw.UPPER, order(labels))
    assert found.origin == {7: 3}
    assert found.labels[120, 100] != found.labels[145, 100]


def test_half_a_crown_is_not_two_teeth():
    labels = row()
    labels[(labels == 5) & (np.arange(200) < 105)] = 0  # 60 long, 25 broad
    assert parted_by_length(labels, Jaw.UPPER, order(labels)).origin == {}


def test_the_last_tooth_whose_other_half_the_cheek_hides_stays_whole():
    labels = row()
    labels[(labels == 6) & (np.arange(200) < 85)] = 0
    assert parted_by_length(labels, Jaw.UPPER, order(labels)).origin == {}


def test_front_teeth_lie_across_the_picture_and_stay_whole():
    labels = row(merged=(3, 4)).T.copy()
    assert parted_by_length(labels, Jaw.UPPER, order(labels)).origin == {}
