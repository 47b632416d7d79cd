"""Instances that cover two teeth are parted at their waist, single teeth are left whole."""

import cv2
import numpy as np

from teethscape.segmentation.waist import parted


def arch(merged: bool) -> np.ndarray:
    """Twelve round teeth in a row; the fourth and fifth drawn as one if ``merged``."""
    labels = np.zeros((60, 480), np.int32)
    for k in range(12):
        value = 4 if merged and k == 4 else k + 1
        labels[cv2.circle(np.zeros(labels.shape, np.uint8), (24 + 38 * k, 30), 20, 1, -1) > 0] = value
    return labels


def test_two_teeth_drawn_as_one_are_parted():
    found = parted(arch(merged=True))
    assert found.origin == {13: 4}
    shares = [(found.labels == value).sum() for value in (4, 13)]
    assert 0.8 < shares[0] / shares[1] < 1.25
    np.testing.assert_array_equal(found.labels > 0, arch(merged=True) > 0)


def test_single_teeth_stay_whole():
    found = parted(arch(merged=False))
    assert found.origin == {}
    np.testing.assert_array_equal(found.labels, arch(merged=False))


def test_a_large_tooth_without_a_waist_stays_whole():
    labels = arch(merged=False)
    labels[cv2.ellipse(np.zeros(labels.shape, np.uint8), (157, 30), (38, 26), 0, 0, 360, 1, -1) > 0] = 4
    assert parted(labels).origin == {}
