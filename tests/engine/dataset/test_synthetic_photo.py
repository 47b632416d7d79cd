"""Synthetic photographs: exact labels, every view, reproducible."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dataset.cut_masks import cut_teeth, read_cuts
from teethscape.dataset.negatives import draw_negative
from teethscape.dataset.photo_bank import fill_bank
from teethscape.dataset.synthetic_photo import draw_photo
from teethscape.dental.fdi import TEETH, Jaw, jaw_of
from teethscape.dental.views import View
from teethscape.parametric.prior import load_prior


@pytest.fixture(scope="module")
def photos():
    return {view: draw_photo(load_prior(), view, np.random.default_rng(5)) for view in View}


@pytest.mark.parametrize("view", list(View))
def test_labels_belong_to_the_views_jaws(photos, view):
    photo = photos[view]
    teeth = [int(t) for t in np.unique(photo.labels) if t]
    assert len(teeth) >= 6
    assert set(teeth) <= set(TEETH)
    assert {jaw_of(t) for t in teeth} == set(view.jaws)
    assert photo.pixels.shape == (*photo.labels.shape, 3)
    assert photo.pixels.std() > 10


def test_patients_left_lies_where_the_view_says(photos):
    for photo in photos.values():
        columns = {int(t): np.argwhere(photo.labels == t)[:, 1].mean() for t in np.unique(photo.labels) if t}
        left = [x for t, x in columns.items() if t // 10 in (2, 3)]
        right = [x for t, x in columns.items() if t // 10 in (1, 4)]
        if left and right:
            assert np.mean(left) > np.mean(right)


def test_upper_incisors_stand_at_the_top_of_the_maxillary_photo(photos):
    labels = photos[View.MAXILLARY_OCCLUSAL].labels
    front = np.argwhere(np.isin(labels, (11, 12, 21, 22)))[:, 0]
    back = np.argwhere(np.isin(labels, (16, 17, 26, 27)))[:, 0]
    assert front.mean() < back.mean()


def test_a_bank_is_filled_once(tmp_path):
    pytest.importorskip("torch")
    from teethscape.segmentation.train_photos import GUM_SEEN, bank_photo

    assert fill_bank(tmp_path / "bank", load_prior(), range(1), seed=2) == 1
    assert fill_bank(tmp_path / "bank", load_prior(), range(1), seed=2) == 0
    photo = bank_photo(tmp_path / "bank" / "00000.jpg")
    again = draw_photo(load_prior(), View.ANTERIOR, np.random.default_rng((2, 0)))
    assert photo.view == View.ANTERIOR
    assert (photo.teeth == again.labels).all()
    assert photo.teeth.max() > 10
    assert ((photo.gum == GUM_SEEN) == again.gum).all()
    assert again.gum.any()
    assert not (again.gum & (again.labels > 0)).any()


def test_negatives_vary():
    pictures = [draw_negative(np.random.default_rng(k)) for k in range(6)]
    assert all(p.shape == (360, 480, 3) and p.dtype == np.uint8 for p in pictures)
    assert np.std([p.mean() for p in pictures]) > 5


def test_cuts_part_every_tooth_of_case_c(shared):
    import cv2

    folder = shared / "cases" / "case-c"
    for number, jaws in read_cuts().items():
        pixels = cv2.imread(str(folder / "photos" / f"{number}.jpg"))
        masks = cv2.imread(str(folder / "labels" / "jaws" / f"{number}.png"), cv2.IMREAD_UNCHANGED)
        teeth = cut_teeth(pixels, masks, jaws)
        assert set(np.unique(teeth)) - {0} == {t for cuts in jaws.values() for t in cuts.teeth}
        for jaw, value in ((Jaw.UPPER, 1), (Jaw.LOWER, 2)):
            drawn = teeth[masks == value]
            if drawn.size:
                assert np.mean([jaw_of(int(t)) is jaw for t in drawn[drawn > 0][::50]]) > 0.995
