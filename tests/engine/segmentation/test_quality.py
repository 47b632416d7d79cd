"""Blur, glare and cut-off teeth are measured, and told with their reason."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.segmentation.quality import (
    LIMITS,
    PhotoQuality,
    QualityReason,
    Verdict,
    blur_of,
    cut_off,
    glare_of,
    main_rows,
    measure_hidden,
    measure_quality,
)


def _teeth(left: int = 100, top: int = 200, count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A row of bright boxes of 60 x 90 px on a dark red, 800 x 600 px, and where they are."""
    pixels = np.full((600, 800, 3), (150, 60, 60), np.uint8)
    teeth = np.zeros((600, 800), bool)
    for k in range(count):
        box = (slice(max(top, 0), top + 90), slice(max(left + 62 * k, 0), left + 62 * k + 60))
        pixels[box], teeth[box] = (225, 215, 190), True
    return pixels, teeth


@pytest.mark.parametrize("spread", [1.5, 3.0, 5.0])
@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_the_blur_is_measured_in_pixels(spread, noise):
    pixels, teeth = _teeth()
    blurred = cv2.GaussianBlur(pixels, (0, 0), spread).astype(np.float64)
    blurred += np.random.default_rng(1).normal(0, noise, pixels.shape)
    found = blur_of(np.clip(blurred, 0, 255).astype(np.uint8), teeth)
    assert found == pytest.approx(spread, rel=0.25)


def test_a_sharp_picture_has_little_blur_and_a_flat_one_tells_nothing():
    pixels, teeth = _teeth()
    assert blur_of(pixels, teeth) < 1.0
    assert blur_of(np.full_like(pixels, 90), teeth) is None


def test_glare_counts_what_is_washed_out_among_the_teeth():
    pixels, teeth = _teeth()
    assert glare_of(pixels, teeth) == 0
    pixels[200:290, 100:160] = 255  # one tooth of eight
    assert glare_of(pixels, teeth) == pytest.approx(1 / 8, rel=0.05)
    pixels[:100] = 255  # a white glove is no glare
    assert glare_of(pixels, teeth) == pytest.approx(1 / 8, rel=0.05)
    teeth[230:250, 120:140] = False  # the network takes a highlight for something else
    assert glare_of(pixels, teeth) == pytest.approx(1 / 8, rel=0.05)


@pytest.mark.parametrize(
    ("view", "left", "top", "side"),
    [
        (View.ANTERIOR, 100, -40, "top"),
        (View.ANTERIOR, -30, 200, ""),
        (View.LEFT_BUCCAL, 350, 200, "right"),
        (View.LEFT_BUCCAL, -30, 200, ""),
        (View.RIGHT_BUCCAL, -30, 200, "left"),
        (View.RIGHT_BUCCAL, 350, 200, ""),
        (View.MAXILLARY_OCCLUSAL, 100, 550, "bottom"),
    ],
)
def test_teeth_at_the_border_count_where_the_view_should_show_them_all(view, left, top, side):
    _, teeth = _teeth(left, top)
    amount, worst = cut_off(teeth, view)
    assert worst == side
    assert (amount > LIMITS[QualityReason.CUT_OFF]) == bool(side)


def test_teeth_seen_beside_a_mirror_do_not_count():
    _, teeth = _teeth()
    beside = teeth.copy()
    beside[:40, 300:400] = True
    assert (main_rows(beside) == teeth).all()


def test_an_arch_without_its_front_is_cut_off():
    _, left = _teeth(60, -20, 4)
    _, right = _teeth(460, -20, 4)
    amount, side = cut_off(main_rows(left | right), View.MAXILLARY_OCCLUSAL)
    assert side == "top"
    assert amount > LIMITS[QualityReason.CUT_OFF]


def test_each_fault_has_its_reason_and_its_words():
    pixels, teeth = _teeth()
    chance = teeth.astype(np.float32)
    good = measure_quality(pixels, chance, View.ANTERIOR)
    assert (good.verdict, good.findings) == (Verdict.GOOD, ())
    blurred = cv2.GaussianBlur(pixels, (0, 0), 4.0).astype(np.uint8)
    bad = measure_quality(blurred, chance[::2, ::2], View.ANTERIOR)
    assert bad.verdict is Verdict.DOUBTFUL
    assert [finding.reason for finding in bad.findings] == [QualityReason.BLUR]
    assert "4." in bad.findings[0].sentence or "3.9" in bad.findings[0].sentence
    shaken = measure_quality(cv2.blur(pixels, (17, 1)), chance, View.ANTERIOR)  # 17 px: 4.9 px sd
    assert [finding.reason for finding in shaken.findings] == [QualityReason.BLUR]
    assert shaken.blur_px == pytest.approx(4.9, rel=0.25)
    wrong = PhotoQuality(none=0.9, shows_teeth=False)
    assert wrong.verdict is Verdict.UNUSABLE
    assert [finding.reason for finding in wrong.findings] == [QualityReason.WRONG_SUBJECT]
    hidden = PhotoQuality(blur_px=6.0, none=0.9, shows_teeth=False)  # perhaps only because of the blur
    assert [f.reason for f in hidden.findings] == [QualityReason.WRONG_SUBJECT, QualityReason.BLUR]


def test_a_dark_picture_without_teeth_may_only_be_dark():
    pixels, _ = _teeth()
    for light, reasons in ((1.0, []), (0.1, [QualityReason.DARK])):
        found = measure_hidden((pixels * light).astype(np.uint8), 0.9)
        assert [f.reason for f in found.findings] == [QualityReason.WRONG_SUBJECT, *reasons]


def test_sizes_do_not_matter():
    pixels, teeth = _teeth()
    blurred = cv2.GaussianBlur(pixels, (0, 0), 3.0).astype(np.uint8)
    large = cv2.resize(blurred, (1440, 1080), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    one = measure_quality(blurred, teeth.astype(np.float32), View.ANTERIOR)
    two = measure_quality(large, teeth.astype(np.float32), View.ANTERIOR)
    assert two.blur_px == pytest.approx(one.blur_px, rel=0.1)
