"""Grey values of more than eight bits."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dental.levels import to_8bit


@pytest.mark.parametrize("top", [255, 4095, 65535])
def test_the_least_usual_white_that_none_exceeds_is_white(top):
    values = np.array([0, top // 2, top - 3, top])
    np.testing.assert_allclose(to_8bit(values), values * 255 / top, atol=0.51)


def test_floats_up_to_one_fill_the_range():
    assert to_8bit(np.array([0.0, 0.5, 1.0])).tolist() == [0, 128, 255]


def test_white_may_be_said_and_nothing_overflows():
    assert to_8bit(np.array([0, 50, 100, 300]), full=100).tolist() == [0, 128, 255, 255]


def test_black_stays_black():
    assert to_8bit(np.zeros((2, 2))).max() == 0
