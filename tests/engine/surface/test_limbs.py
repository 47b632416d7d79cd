"""Where normals put the outline: at right borders, whatever noise they have; beyond too small masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.surface.limbs import outline_beyond
from teethscape.surface.tangents import compared_borders

from .scene import arch_mesh, ragged, resized, views_of


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=192)


def test_right_and_ragged_masks_are_told_from_those_that_are_all_off(views):
    small, large = (outline_beyond(resized(views, np.full(8, change))) for change in (-2.0, 2.0))
    assert small > 1.0
    assert large < -1.0
    assert outline_beyond(views) == outline_beyond(ragged(views)) == 0


def test_noise_of_normals_moves_no_outline(views):
    off = 0.17 * np.random.default_rng(0).standard_normal(views.normals.shape)
    noisy = views.normals + off * (np.abs(views.normals).sum(axis=-1, keepdims=True) > 0)
    noisy /= np.maximum(np.linalg.norm(noisy, axis=-1, keepdims=True), 1e-6)
    assert outline_beyond(replace(views, normals=noisy)) == 0


def test_nothing_is_told_without_normals_or_with_few_pixels(views):
    assert outline_beyond(replace(views, normals=None)) is None
    few = np.zeros_like(views.foreground)
    few[:, 90:94, 90:94] = 1
    assert outline_beyond(replace(views, foreground=few)) is None


def test_what_masks_share_is_believed_when_normals_say_so(views):
    assert np.median(compared_borders(resized(views, np.full(8, -2.0))).shifts) > 0.8
    assert np.median(compared_borders(resized(views, np.full(8, 2.0))).shifts) < -0.8
    assert abs(np.median(compared_borders(views).shifts)) < 0.3
