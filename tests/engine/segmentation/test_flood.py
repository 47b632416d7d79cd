"""The watershed keeps to its levels: compared with one that grows the whole picture step by step."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from teethscape.segmentation.flood import flood

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def _grown_whole(relief: np.ndarray, mask: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The same flood, every step of it over all pixels; where two labels meet the greater one stays."""
    labels = seeds.astype(np.uint16)
    for level in (*np.linspace(0.05, 0.95, 25), np.inf):
        while True:
            free = mask & (relief <= level) & (labels == 0)
            grown = np.where(free, cv2.dilate(labels, _CROSS), 0).astype(np.uint16)
            if not grown.any():
                break
            labels |= grown
    return labels.astype(np.int32)


@pytest.mark.parametrize("seed", range(3))
def test_every_pixel_gets_the_label_that_reaches_it_first(seed: int):
    rng = np.random.default_rng(seed)
    boundary, energy = (
        cv2.GaussianBlur(rng.random((60, 90), np.float32), (0, 0), 2) * 2 - 0.5 for _ in range(2)
    )
    mask = cv2.GaussianBlur(rng.random((60, 90), np.float32), (0, 0), 4) > 0.48
    mask[:2] = True  # up to the picture's border
    seeds = np.zeros(mask.shape, np.int32)
    for number, (row, column) in enumerate(rng.permutation(np.argwhere(mask))[:300], 1):
        seeds[row, column] = number
    found = flood(boundary, energy, mask, seeds)
    relief = 0.7 * boundary + 0.3 * (1 - energy)
    np.testing.assert_array_equal(found, _grown_whole(relief, mask, seeds))


def test_a_wall_parts_two_seeds_and_what_none_reaches_stays_empty():
    mask = np.ones((20, 41), bool)
    mask[:, 30] = False
    boundary = np.zeros(mask.shape, np.float32)
    boundary[:, 12] = 1.0
    seeds = np.zeros(mask.shape, np.int32)
    seeds[10, 2], seeds[10, 20] = 1, 2
    found = flood(boundary, np.ones_like(boundary), mask, seeds)
    assert (found[:, :12] == 1).all()
    assert (found[:, 13:30] == 2).all()
    assert not found[:, 30:].any()


def test_nothing_to_flood_is_left_empty():
    empty = np.zeros((8, 9), np.float32)
    assert not flood(empty, empty, empty > 0, empty.astype(np.int32)).any()
