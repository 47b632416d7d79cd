"""Synthetic children and unusual adults."""

import numpy as np
import pytest

from teethscape.dataset.dentitions import CHILDREN, QUADRANTS, make_other, mixed_prior, random_mouth
from teethscape.dental.views import View
from teethscape.parametric.prior import ToothShape, load_prior


def width(shape: ToothShape) -> float:
    return float(np.ptp(shape.mean[~shape.cap, 0]))


@pytest.mark.parametrize("kind", QUADRANTS)
def test_a_mouth_has_its_teeth_in_places_without_holes(kind: str):
    mouth = random_mouth(kind, np.random.default_rng(0))
    for quadrant in (1, 2, 3, 4):
        places = sorted(fdi % 10 for fdi in mouth if fdi // 10 == quadrant)
        assert places == list(range(1, len(places) + 1))
    assert any(tooth in "ABCDE" for tooth in mouth.values()) == (kind in CHILDREN)


def test_crowns_have_the_sizes_of_their_kind():
    prior = load_prior()
    mouth = {
        fdi: tooth for q in (10, 20, 30, 40) for fdi, tooth in zip(range(q + 1, q + 7), "12CDE6", strict=True)
    }
    child = mixed_prior(prior, mouth, np.random.default_rng(0))
    assert width(child.shape(45)) == pytest.approx(9.9, rel=0.15)
    assert width(child.shape(45)) == width(child.shape(35))
    assert width(child.shape(46)) == width(prior.shape(46))
    assert np.ptp(child.centre[:7, 1]) == pytest.approx(np.ptp(prior.centre[:7, 1]), rel=0.1)


def test_a_child_is_photographed_like_anyone():
    child = make_other(load_prior(), 1, "primary")
    assert sorted(child.crowns) == sorted(
        child.crowns.keys() & {10 * q + k for q in (1, 2, 3, 4) for k in range(1, 6)}
    )
    assert set(child.instances) == set(View)
    assert len(np.unique(child.instances[View.MAXILLARY_OCCLUSAL])) > 8
