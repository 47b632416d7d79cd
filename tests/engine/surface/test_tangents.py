"""Borders of masks: which are off and by how much, as planes that touch the body tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.surface.hull import mask_distances
from teethscape.surface.tangents import LEAST_PX, border_shifts, with_shifted_borders

from .scene import arch_mesh, views_of


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=96)


def _resized(views, change):
    masks = [mask_distances(m) < c for m, c in zip(views.foreground, change, strict=True)]
    return replace(views, foreground=np.stack(masks).astype(np.float32))


def test_good_masks_are_left_alone(views):
    shifts = border_shifts(views)
    assert np.abs(shifts).max() < LEAST_PX
    np.testing.assert_array_equal(with_shifted_borders(views, shifts).foreground, views.foreground)


def test_each_mask_is_told_how_far_it_is_off(views):
    change = np.array([-2.0, -1, 1, 2, -2, -1, 1, 2])
    spoilt = _resized(views, change)
    shifts = border_shifts(spoilt)
    np.testing.assert_allclose(shifts, -change, atol=0.5)
    wrong = [(v.foreground != views.foreground).sum() for v in (spoilt, with_shifted_borders(spoilt, shifts))]
    assert wrong[1] < 0.35 * wrong[0]


def test_one_wrong_view_does_not_move_the_others(views):
    masks = views.foreground.copy()
    masks[5] = np.roll(masks[5], 12, axis=1)
    shifts = border_shifts(replace(views, foreground=masks))
    assert np.abs(np.delete(shifts, 5)).max() < LEAST_PX


def test_masks_that_the_picture_cuts_off_or_that_are_alone_tell_nothing(views):
    masks = views.foreground.copy()
    masks[:, 0] = 1
    np.testing.assert_array_equal(border_shifts(replace(views, foreground=masks)), 0)
    np.testing.assert_array_equal(border_shifts(views.subset([2])), 0)
