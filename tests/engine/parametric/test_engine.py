"""What the engine asks of the numbering."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dental.fdi import TEETH
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.parametric import engine
from teethscape.parametric.interface import FitInputs, PhotoGeometry
from teethscape.parametric.prior import load_prior
from teethscape.parametric.result import Numbered
from teethscape.progress import NoProgress
from teethscape.segmentation.redraw import ToothMaps

from .test_closed_gaps import occlusal_labels


class AskedError(Exception):
    """Carries what was asked."""


@pytest.fixture
def inputs(monkeypatch):
    """Instances of five photos, with and without what a network saw; the numbering says what it is asked."""

    def asks(_views, _prior, asked, _on_step):
        raise AskedError(asked)

    monkeypatch.setattr(engine, "number_teeth", asks)
    labels = {view: np.ones((60, 80), np.int32) for view in View}
    photos = {view: PhotoGeometry(80, 60) for view in View}
    seen = {view: ToothMaps(*np.zeros((3, 60, 80), np.uint8)) for view in View}
    return lambda sight: FitInputs(photos, labels, MaskValues.INSTANCES, sight=seen if sight else None)


def unsure(function, inputs):
    with pytest.raises(AskedError) as asking:
        function(inputs, NoProgress())
    return set(asking.value.args[0].unsure)


def test_only_a_fit_that_sees_the_photos_may_begin_with_doubtful_numbers(inputs):
    assert unsure(engine.fit_case, inputs(sight=True)) == set(View)
    assert unsure(engine.fit_case, inputs(sight=False)) == set()
    assert unsure(engine.number_labels, inputs(sight=True)) == set()


def start_of(present, margin, absent=(), kind=MaskValues.INSTANCES):
    """What the photos show besides the user's labels, where these have some teeth."""
    prior = load_prior()
    labels = {view: np.ones((60, 80), np.int32) for view in View}
    numbered = Numbered(labels, frozenset(present), {}, margin, ())
    sight = {view: ToothMaps(*np.zeros((3, 60, 80), np.uint8)) for view in View}
    given = FitInputs({}, labels, kind, absent_teeth=absent, look=lambda: sight)
    return engine._sight_for(given, numbered, prior)


@pytest.mark.parametrize(
    ("lacks", "margin", "absent", "looks"),
    [((), 9.0, (), False), ((), 0.3, (), True), ((17,), 9.0, (), True), ((17,), 9.0, (17,), False)],
)
def test_the_photos_are_looked_at_where_masks_lack_teeth_or_leave_doubt(lacks, margin, absent, looks):
    present = set(TEETH) - set(lacks)
    assert (start_of(present, {View.ANTERIOR: margin}, absent) is not None) == looks
    numbers = start_of(present, {}, absent, MaskValues.FDI)
    assert (numbers is not None) == bool(set(lacks) - set(absent))


def test_numbered_masks_start_from_teeth_that_have_closed_a_gap():
    labels = occlusal_labels((36,), (36,))
    photos = {view: PhotoGeometry(*image.shape[::-1]) for view, image in labels.items()}
    start = engine._from_fdi(FitInputs(photos, labels, MaskValues.FDI), load_prior())
    own, moved = load_prior(), start.rough.prior
    way = np.linalg.norm(moved.centre - own.centre, axis=1)
    assert way[own.fdi.index(37)] > 5.0  # mm
    assert way[own.fdi.index(47)] == way[own.fdi.index(26)] == 0.0
