"""Drawn teeth end where their colour is halfway to that of the gum."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from teethscape.segmentation.soft_border import hue_of, tooth_share, with_soft_border

SIZE = (800, 600)
TOOTH, GUM, SHADE = (225, 215, 190), (190, 110, 110), (112, 107, 95)
BROWN = (200, 150, 115)


def ellipses(grown: float = 0.0) -> np.ndarray:
    """Two touching teeth, (h, w) ids."""
    out = np.zeros(SIZE[::-1], np.int32)
    for number, x in ((1, 320), (2, 440)):
        axes = (round(60 + grown), round(110 + grown))
        cv2.ellipse(out, (x, 300), axes, 0, 0, 360, number, cv2.FILLED)
    return out


def picture(teeth: np.ndarray) -> np.ndarray:
    """What a camera makes of it: a soft border, one half of the picture in the shade, grain."""
    colours = np.where((teeth > 0)[..., None], TOOTH, GUM).astype(np.float32)
    light = np.where(np.arange(SIZE[0]) < 320, 1.0, 0.55)[None, :, None]
    soft = cv2.GaussianBlur(colours, (0, 0), 2.0) * light
    grain = np.random.default_rng(0).normal(0, 3, soft.shape)
    return np.clip(soft + grain, 0, 255).astype(np.uint8)


def bordered(drawn: np.ndarray, pixels: np.ndarray, chance: np.ndarray | float = 0.0):
    """The drawing with soft borders; by default the network is sure that all else is no tooth."""
    chances = np.maximum(np.full(drawn.shape, chance, np.float32), (drawn > 0).astype(np.float32))
    return with_soft_border(drawn, hue_of(pixels), chances)


@pytest.mark.parametrize("grown", [-3, 3, 6])
def test_teeth_drawn_too_large_or_too_small_end_at_the_gum(grown):
    truth, drawn = ellipses(), ellipses(grown)
    placed, share = bordered(drawn, picture(truth))
    before, after = ((one > 0) ^ (truth > 0) for one in (drawn, placed))
    assert after.sum() < 0.25 * before.sum()
    assert ((share > 0.5) == (placed > 0)).all()
    assert (placed[:, :370] != 2).all()
    assert (placed[:, 390:] != 1).all()


def test_a_brown_rim_that_may_be_tooth_does_not_push_the_border_inwards():
    """As palatal cusps of last molars: the network draws their bright part, and doubts the rest."""
    truth, drawn = ellipses(), ellipses(-5)
    pixels = picture(truth)
    pixels[(truth > 0) & (ellipses(-9) == 0)] = BROWN
    doubted = ((truth > 0) & (drawn == 0)) * np.float32(0.3)
    kept, sure = ((truth > 0) & (bordered(drawn, pixels, c)[0] > 0) for c in (doubted, 0.0))
    assert kept.sum() > (drawn > 0).sum() > sure.sum()


def test_shade_is_no_border():
    truth = ellipses()
    pixels = np.where(((truth == 1) & (np.arange(SIZE[0]) < 275))[..., None], SHADE, picture(truth))
    placed, _ = bordered(truth, pixels.astype(np.uint8))
    assert ((placed > 0) ^ (truth > 0)).mean() < 0.002


def test_where_colours_do_not_differ_the_drawing_stays():
    drawn = ellipses(3)
    alike = hue_of(np.full((*SIZE[::-1], 3), TOOTH, np.uint8))
    share = tooth_share(drawn > 0, alike, rest=drawn == 0)
    np.testing.assert_array_equal(share, drawn > 0)
    placed, _ = bordered(np.zeros_like(drawn), picture(drawn))
    assert not placed.any()


@pytest.mark.parametrize(("side", "kept"), [(14, False), (20, True)])
def test_slivers_are_no_teeth(side, kept):
    drawn = ellipses()
    drawn[20 : 20 + side, 20 : 20 + side] = 3
    placed, share = bordered(drawn, picture(drawn))
    assert (placed == 3).any() == kept
    assert ((share > 0.5) == (placed > 0)).all()
