"""Distances to masks: their values, and that they are the same wherever a picture lies in memory."""

from __future__ import annotations

import numpy as np

from teethscape.surface.hull import mask_distances


def test_the_border_runs_half_a_pixel_outside_the_outermost_pixels():
    mask = np.zeros((9, 9), np.float32)
    mask[3:6, 3:6] = 1
    distance = mask_distances(mask)
    assert distance[4].tolist() == [3 - 0.5, 2 - 0.5, 0.5, -0.5, -1.5, -0.5, 0.5, 2 - 0.5, 3 - 0.5]
    assert distance[0, 0] == np.float32(3 * np.sqrt(2) - 0.5)


def test_full_and_empty_masks_are_far_from_any_border():
    full = mask_distances(np.ones((3, 4), np.float32))
    assert (full == -4.5).all()
    assert (mask_distances(np.zeros((3, 4), np.float32)) == 4.5).all()


def test_distances_do_not_depend_on_the_place_in_memory():
    rows, columns = np.mgrid[:96, :96]
    mask = ((rows - 50) ** 2 / 900 + (columns - 40) ** 2 / 400 < 1).astype(np.float32)
    first = mask_distances(mask)
    held = []
    for size in range(1, 400, 7):  # changes where the next pictures come to lie
        held.append(np.empty(size * 61, np.uint8))
        np.testing.assert_array_equal(mask_distances(mask.copy()), first)
