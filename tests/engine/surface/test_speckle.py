"""Speckled masks are smoothed; others stay as they are, to the pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.surface.hull import mask_distances
from teethscape.surface.speckle import despeckled, roughness

from .scene import arch_mesh, ragged, views_of


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=144)


def speckled(mask, share, seed=0):
    turned = (np.abs(mask_distances(mask)) < 2) & (np.random.default_rng(seed).random(mask.shape) < share)
    return (turned != (mask > 0.5)).astype(np.float32)


def test_good_and_wandering_masks_stay(views):
    for some in (views, ragged(views)):
        found, rough = despeckled(some)
        assert not rough.any()
        assert found is some


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_speckles_go_and_the_border_stays_where_it_was(views, share):
    masks = views.foreground.copy()
    masks[2], masks[5] = (speckled(masks[k], share, k) for k in (2, 5))
    found, rough = despeckled(replace(views, foreground=masks))
    assert np.flatnonzero(rough).tolist() == [2, 5]
    for view in (2, 5):
        true, spoilt, smooth = (m[view] > 0.5 for m in (views.foreground, masks, found.foreground))
        assert (smooth != true).sum() < 0.5 * (spoilt != true).sum()
        assert roughness(found.foreground[view]) < 0.04
    np.testing.assert_array_equal(found.foreground[0], views.foreground[0])
    assert found.border_px > 0.5


def test_an_empty_mask_is_not_rough(views):
    assert roughness(np.zeros_like(views.foreground[0])) == 0
