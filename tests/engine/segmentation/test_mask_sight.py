"""What the network adds to masks that somebody drew."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.segmentation.mask_sight import mask_sight
from teethscape.segmentation.redraw import ToothMaps
from teethscape.segmentation.segmenter import Segmentation

from .maps import perfect_maps, row_of_teeth


@pytest.fixture
def truth():
    return row_of_teeth()


@pytest.fixture
def seen(truth):
    """What a network without faults finds."""
    maps = perfect_maps(truth)
    return Segmentation(
        View.ANTERIOR, truth, {}, {}, {}, maps.kind, ToothMaps.of(maps, maps.tooth), maps.gum > 0.5
    )


def test_whole_masks_are_seen_as_they_were_drawn(truth, seen):
    sight = mask_sight(truth, seen)
    assert (sight.teeth == (truth > 0)).all()
    assert sight.explained(truth, one_jaw=False) == 1.0
    assert sight.confirmed(truth) == 1.0
    assert (sight.redrawn(truth) == truth).mean() > 0.995


def test_a_mask_over_two_teeth_is_parted_where_the_network_saw_a_border(truth, seen):
    merged = np.where(truth == 3, 2, truth)
    sight = mask_sight(merged, seen)
    assert (sight.teeth == (truth > 0)).all()
    rough = np.roll(truth, 12, axis=1)  # a model that is off
    assert (sight.redrawn(rough) == truth)[truth > 0].mean() > 0.97
    assert sight.confirmed(truth) > 0.95


def test_a_line_within_a_mask_may_be_a_fissure_and_need_not_be_explained(truth, seen):
    merged = np.where(truth == 3, 2, truth)
    assert mask_sight(merged, seen).explained(merged, one_jaw=False) == 1.0


def test_a_tooth_without_a_mask_is_seen_and_a_narrower_mask_has_the_last_word(truth, seen):
    missed = np.where(truth == 5, 0, truth)
    assert (mask_sight(missed, seen).teeth == (truth > 0)).mean() > 0.999
    narrow = truth.copy()
    narrow[:130] = 0
    assert (mask_sight(narrow, seen).teeth == (narrow > 0)).all()


def test_masks_of_any_size_are_laid_over_the_maps(truth, seen):
    large = truth.repeat(2, axis=0).repeat(2, axis=1)
    assert (mask_sight(large, seen).teeth == (truth > 0)).all()
