"""A flipped photo of numbered teeth fits the other photos worse."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dataset.patient_case import make_patient
from teethscape.dental.fdi import TEETH, mirrored
from teethscape.dental.views import View
from teethscape.parametric.chirality import SURE, flip_gains, verdicts
from teethscape.parametric.prior import load_prior

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def labels():
    patient = make_patient(load_prior(), 0)
    return {
        v: np.where(np.isin(image, TEETH), image, 0).astype(np.int32) for v, image in patient.drawn.items()
    }


def _flipped(image):
    twins = np.arange(100, dtype=np.int32)
    twins[list(TEETH)] = [mirrored(fdi) for fdi in TEETH]
    return twins[image[:, ::-1]]


def test_photos_as_they_are_fit_best(labels):
    gains = flip_gains(labels, load_prior(), {})
    assert set(gains) == set(View)
    assert all(gain < -SURE for gain in gains.values())
    assert gains[View.LEFT_BUCCAL] == gains[View.RIGHT_BUCCAL]


@pytest.mark.parametrize("view", [View.ANTERIOR, View.MAXILLARY_OCCLUSAL])
def test_a_flipped_photo_fits_worse_and_no_other_is_named(labels, view):
    plain = flip_gains(labels, load_prior(), {})
    gains = flip_gains({**labels, view: _flipped(labels[view])}, load_prior(), {})
    assert gains[view] > plain[view] + 20
    assert max(gains, key=gains.__getitem__) is view
    assert {v for v, flipped in verdicts(gains).items() if flipped} <= {view}


def test_only_the_photo_that_gains_most_is_named():
    gains = {View.ANTERIOR: 41.0, View.LEFT_BUCCAL: 15.0, View.MAXILLARY_OCCLUSAL: -11.0}
    assert verdicts(gains) == {View.ANTERIOR: True, View.LEFT_BUCCAL: None, View.MAXILLARY_OCCLUSAL: False}
    assert verdicts({View.ANTERIOR: 3.0}) == {View.ANTERIOR: None}
    assert verdicts({}) == {}


def test_one_jaw_alone_can_be_tested_too(labels):
    some = {v: image for v, image in labels.items() if v is not View.MANDIBULAR_OCCLUSAL}
    assert View.MANDIBULAR_OCCLUSAL not in flip_gains(some, load_prior(), {})
