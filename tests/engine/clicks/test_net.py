"""Clicks without downloaded weights, on a photo that nobody has seen."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from teethscape.dataset.synthetic_photo import draw_photo
from teethscape.dental.views import View
from teethscape.errors import UsageError
from teethscape.parametric.prior import load_prior
from teethscape.segmentation.clicks.interface import Clicks
from teethscape.segmentation.clicks.net_engine import NetEngine
from teethscape.segmentation.clicks.walk import BINDS, Grid, StepCosts, walk


@pytest.fixture(scope="module")
def synthetic():
    return draw_photo(load_prior(), View.ANTERIOR, np.random.default_rng(4_321))


@pytest.fixture(scope="module")
def photo(synthetic):
    return NetEngine().prepare(synthetic.pixels)


def _middle(mask):
    inside = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return float(column), float(row)


def _iou(one, two):
    return (one & two).sum() / (one | two).sum()


def _truth(synthetic, tooth=11):
    return synthetic.labels == tooth


def test_one_click_draws_the_tooth(photo, synthetic):
    truth = _truth(synthetic)
    answer = photo.click(Clicks((_middle(truth),), (True,)))
    assert answer.mask.shape == synthetic.labels.shape == answer.probability.shape
    assert _iou(answer.mask, truth) > 0.8
    assert np.array_equal(answer.mask, answer.probability > 0.5)
    assert 0.5 < answer.score <= 1


def test_later_clicks_change_only_what_they_are_about(photo, synthetic):
    truth = _truth(synthetic)
    first = photo.click(Clicks((_middle(truth),), (True,)))
    y, x = np.nonzero(synthetic.labels == 21)
    neighbour = (float(x.mean()), float(y.mean()))
    both = photo.click(Clicks((_middle(truth), neighbour), (True, True)), first)
    assert both.mask[round(neighbour[1]), round(neighbour[0])]
    assert (both.mask & first.mask).sum() == first.mask.sum()
    back = photo.click(Clicks((_middle(truth), neighbour, neighbour), (True, True, False)), both)
    assert not back.mask[round(neighbour[1]), round(neighbour[0])]
    assert back.mask.sum() < both.mask.sum()
    assert back.mask[tuple(round(v) for v in reversed(_middle(truth)))]


def test_the_same_clicks_give_the_same_mask_at_once_or_one_by_one(photo, synthetic):
    middle = _middle(_truth(synthetic))
    points = (middle, (middle[0] + 25, middle[1]), (middle[0], middle[1] - 30))
    labels = (True, True, False)
    answer = None
    for n in range(1, 4):
        answer = photo.click(Clicks(points[:n], labels[:n]), answer)
    assert np.array_equal(photo.click(Clicks(points, labels)).mask, answer.mask)


def test_a_box_is_never_left(photo, synthetic):
    truth = _truth(synthetic)
    y, x = np.nonzero(truth)
    box = (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    answer = photo.click(Clicks(box=box))
    assert _iou(answer.mask, truth) > 0.75
    rows, columns = np.nonzero(answer.mask)
    assert columns.min() >= box[0] - 2 and columns.max() <= box[2] + 2  # noqa: PT018
    assert rows.min() >= box[1] - 2 and rows.max() <= box[3] + 2  # noqa: PT018
    whole = photo.click(Clicks(box=(0.0, 0.0, 639.0, float(truth.shape[0] - 1))))
    assert whole.mask.any()


def test_clicks_outside_the_photo_or_on_gum_still_answer(photo):
    for point in ((-50.0, -50.0), (5000.0, 3.0), (2.0, 2.0)):
        assert photo.click(Clicks((point,), (True,))).mask.any()


def test_a_click_must_say_where(photo):
    for clicks in (Clicks(), Clicks(((3.0, 3.0),), (False,))):
        with pytest.raises(UsageError, match="No click"):
            photo.click(clicks)


def test_a_click_is_quick(photo, synthetic):
    start = time.process_time()
    answer = photo.click(Clicks((_middle(_truth(synthetic)),), (True,)))
    photo.click(Clicks((_middle(_truth(synthetic)), (20.0, 20.0)), (True, True)), answer)
    assert time.process_time() - start < 0.6  # two clicks


def test_walkers_do_not_cross_borders():
    boundary = np.zeros((9, 21), np.float32)
    boundary[:, 12] = 1.0
    flat = np.full((9, 21), 0.5, np.float32)
    grid = Grid(flat, boundary, np.zeros((9, 21, 3), np.float32), np.zeros((9, 21), np.int32),
                (slice(0, 9), slice(0, 21)), 1)  # fmt: skip
    tooth, rest = np.zeros((9, 21)), np.zeros((9, 21))
    tooth[4, 0], rest[4, 20] = BINDS, BINDS
    arrived = walk(grid, tooth, rest, StepCosts(border=8.0))
    assert (arrived[:, :12] > 0.5).all()
    assert (arrived[:, 13:] < 0.5).all()
    plain = Grid(flat, np.zeros_like(boundary), grid.lab, grid.instances, grid.window, 1)
    half = walk(plain, tooth, rest, StepCosts())
    np.testing.assert_allclose(half + half[:, ::-1], 1.0, atol=1e-4)
