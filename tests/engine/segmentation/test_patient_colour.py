"""Colours learnt from sure pixels decide doubtful ones."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.segmentation.patient_colour import colour_cells, learn_colours, refine


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    pixels = np.zeros((120, 160, 3), np.float64)
    pixels[:] = (170, 80, 80)
    pixels[40:80, 40:120] = (225, 215, 190)
    return colour_cells(np.clip(pixels + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8))


def test_doubtful_pixels_follow_their_colour(cells):
    chance = np.full((120, 160), 0.02, np.float32)
    chance[40:80, 40:120] = 0.98
    chance[38:44] = 0.5  # the gum line is in doubt
    better = refine(cells, chance, learn_colours([(cells, chance)]))
    assert better[42, 60:100].min() > 0.6
    assert better[38, 60:100].max() < 0.4


def test_sure_pixels_stay(cells):
    chance = np.full((120, 160), 0.001, np.float32)
    chance[40:80, 40:120] = 0.999
    better = refine(cells, chance, learn_colours([(cells, chance)]))
    assert ((better > 0.5) == (chance > 0.5)).all()


def test_without_teeth_nothing_is_learnt(cells):
    chance = np.full((120, 160), 0.4, np.float32)
    better = refine(cells, chance, learn_colours([(cells, chance)]))
    assert np.allclose(better, chance, atol=1e-3)
