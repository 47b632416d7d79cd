"""Where normals put the outline: at right borders, whatever noise they have; beyond too small masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.surface.hull import mask_distances
from teethscape.surface.limbs import outline_beyond
from teethscape.surface.tangents import compared_borders

from .scene import arch_mesh, ragged, views_of


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=192)


def _resized(views, change):
    masks = np.stack([mask_distances(m) < change for m in views.foreground]).astype(np.float32)
    return replace(views, foreground=masks, normals=views.normals * masks[..., None])


def test_right_and_ragged_masks_are_told_from_those_that_are_all_off(views):
    right = outline_beyond(views)
    small, large = (outline_beyond(_resized(views, change)) for change in (-2.0, 2.0))
    assert small > right + 0.8
    assert large < right - 0.8
    assert abs(outline_beyond(ragged(views)) - right) < 0.5


def test_noise_of_normals_moves_no_outline(views):
    off = 0.17 * np.random.default_rng(0).standard_normal(views.normals.shape)
    noisy = views.normals + off * (np.abs(views.normals).sum(axis=-1, keepdims=True) > 0)
    noisy /= np.maximum(np.linalg.norm(noisy, axis=-1, keepdims=True), 1e-6)
    assert abs(outline_beyond(replace(views, normals=noisy)) - outline_beyond(views)) < 0.4


def test_nothing_is_told_without_normals_or_with_few_pixels(views):
    assert outline_beyond(replace(views, normals=None)) is None
    few = np.zeros_like(views.foreground)
    few[:, 90:94, 90:94] = 1
    assert outline_beyond(replace(views, foreground=few)) is None


def test_what_masks_share_is_believed_when_normals_say_so(views):
    assert np.median(compared_borders(_resized(views, -2.0)).shifts) > 0.8
    assert abs(np.median(compared_borders(views).shifts)) < 0.3
