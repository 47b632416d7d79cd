"""Borders of masks: which are off and by how much, as planes that touch the body tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.surface.tangents import LEAST_PX, WHOLE_PX, compared_borders, with_moved_borders
from teethscape.surface.views import Views

from .scene import arch_mesh, ragged, resized, views_of


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=96)


def test_good_masks_are_left_alone(views):
    borders = compared_borders(views)
    assert np.abs(borders.shifts).max() < LEAST_PX
    assert borders.noise < WHOLE_PX
    assert not borders.moves.any()
    np.testing.assert_array_equal(with_moved_borders(views, borders).foreground, views.foreground)


def test_the_noise_of_borders_is_told_but_not_that_of_masks_resized_all_around(views):
    even = compared_borders(resized(views, np.array([-2.0, -1, 1, 2, -2, -1, 1, 2]))).noise
    wandering = [compared_borders(ragged(views, seed)).noise for seed in range(3)]
    assert even < WHOLE_PX
    assert min(wandering) > 1.2 * WHOLE_PX
    assert max(wandering) < 1.6


def test_chance_moves_no_border(views):
    wandering = [compared_borders(ragged(views, seed)) for seed in range(6)]
    shifts = np.concatenate([borders.shifts for borders in wandering])
    moves = np.concatenate([borders.moves for borders in wandering])
    assert (moves != 0).sum() < 0.3 * (np.abs(shifts) >= LEAST_PX).sum()


@pytest.mark.parametrize("change", [-2.0, 2.0])
def test_masks_that_are_all_off_alike_are_told(views, change):
    shifts = compared_borders(resized(views, np.full(8, change))).shifts
    assert -change * np.median(shifts) > 0
    np.testing.assert_allclose(np.median(shifts), -change, atol=1.5)


def _turned_around_a_ball(count, size):
    """Views of a ball from alternating heights: all tangents are alike, and so are they rounded."""
    around = 2 * np.pi * np.arange(count) / count
    centres = 3 * np.stack([0.9 * np.cos(around), 0.9 * np.sin(around), 0.43 * (-1.0) ** np.arange(count)], 1)
    back = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    right = np.cross([0.0, 0, 1], back)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    turns = np.stack([right, np.cross(back, right), back], axis=2)
    k = np.array([[1.37 * size, 0, size / 2], [0, 1.37 * size, size / 2], [0, 0, 1]])
    nothing = np.zeros((count, size, size), np.float32)
    views = Views(
        tuple(f"view {n}" for n in range(count)),
        np.zeros((count, size, size, 3), np.float32), nothing, nothing,
        None, np.repeat(k[None], count, axis=0), np.concatenate([turns, centres[:, :, None]], axis=2), None,
        np.full(3, -0.5), np.full(3, 0.5),
    )  # fmt: skip
    rays = np.stack([views.directions(n) for n in range(count)])
    along = -(rays * centres[:, None, None]).sum(axis=-1) / (rays**2).sum(axis=-1)
    nearest = centres[:, None, None] + along[..., None] * rays
    return replace(views, foreground=((nearest**2).sum(axis=-1) < 0.25).astype(np.float32))


@pytest.mark.parametrize(("count", "size"), [(6, 100), (6, 128), (10, 100), (10, 160)])
def test_tangents_that_are_rounded_alike_move_no_border(count, size):
    assert not compared_borders(_turned_around_a_ball(count, size)).moves.any()


def test_what_ragged_masks_seem_to_share_is_chance(views):
    for seed in range(4):
        assert abs(np.median(compared_borders(ragged(views, seed)).shifts)) < 1e-9


def test_each_mask_is_told_how_far_it_is_off(views):
    change = np.array([-2.0, -1, 1, 2, -2, -1, 1, 2])
    spoilt = resized(views, change)
    borders = compared_borders(spoilt)
    np.testing.assert_allclose(borders.shifts, -change, atol=0.5)
    moved = with_moved_borders(spoilt, borders)
    wrong = [(v.foreground != views.foreground).sum() for v in (spoilt, moved)]
    assert wrong[1] < 0.35 * wrong[0]


def test_a_mask_that_only_just_reaches_the_picture_s_border_is_told_as_well(views):
    """The fourth picture is so cut that its body lies a pixel off the border, and is then enlarged by two."""
    away = int(np.flatnonzero(views.foreground[3].any(axis=0))[0]) - 1
    masks, normals, intrinsics = views.foreground.copy(), views.normals.copy(), views.intrinsics.copy()
    masks[3], normals[3] = np.roll(masks[3], -away, axis=1), np.roll(normals[3], -away, axis=1)
    intrinsics[3, 0, 2] -= away
    cut = replace(views, foreground=masks, normals=normals, intrinsics=intrinsics)
    change = np.array([-2.0, -1, 1, 2, -2, -1, 1, 2])
    spoilt = resized(cut, change)
    assert spoilt.foreground[3][:, 0].any()
    np.testing.assert_allclose(compared_borders(spoilt).shifts, -change, atol=0.6)


def test_one_wrong_view_does_not_move_the_others(views):
    masks = views.foreground.copy()
    masks[5] = np.roll(masks[5], 12, axis=1)
    shifts = compared_borders(replace(views, foreground=masks)).shifts
    assert np.abs(np.delete(shifts, 5)).max() < LEAST_PX


def test_masks_that_the_picture_cuts_off_or_that_are_alone_tell_nothing(views):
    masks = views.foreground.copy()
    masks[:, 0] = 1
    np.testing.assert_array_equal(compared_borders(replace(views, foreground=masks)).shifts, 0)
    np.testing.assert_array_equal(compared_borders(views.subset([2])).shifts, 0)
