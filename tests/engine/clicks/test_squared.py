"""TeethDreamer's tool shows SAM the photo in a square."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.segmentation.clicks.interface import ClickMask, Clicks
from teethscape.segmentation.clicks.squared import SquaredEngine


class _Engine:
    """Its mask is the picture itself."""

    def prepare(self, pixels):
        self.pixels = pixels
        return self

    def click(self, clicks, previous=None):
        self.clicks, self.previous = clicks, previous
        return ClickMask(self.pixels[..., 0] > 0, self.pixels[..., 0].astype(np.float32), 0.5, "state")


@pytest.mark.parametrize(("shape", "top", "left"), [((3, 8), 2, 0), ((8, 3), 0, 2), ((4, 4), 0, 0)])
def test_photo_and_clicks_lie_in_the_middle_and_the_mask_comes_back(shape, top, left):
    pixels = np.random.default_rng(0).integers(1, 255, (*shape, 3), np.uint8)
    engine = _Engine()
    photo = SquaredEngine(engine).prepare(pixels)
    found = photo.click(Clicks(((1.5, 2.0),), (True,), (0.0, 1.0, 2.0, 3.0)))
    side = max(shape)
    assert engine.pixels.shape == (side, side, 3)
    assert np.array_equal(engine.pixels[top : top + shape[0], left : left + shape[1]], pixels)
    assert engine.pixels.sum() == pixels.sum()  # all else is black
    assert engine.clicks.points == ((1.5 + left, 2.0 + top),)
    assert engine.clicks.box == (left, 1.0 + top, 2.0 + left, 3.0 + top)
    assert found.mask.shape == found.probability.shape == shape
    assert np.array_equal(found.probability, pixels[..., 0])
    photo.click(Clicks(((1.0, 1.0),), (True,)), found)
    assert engine.previous is found
