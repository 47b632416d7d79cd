"""Teeth that an occlusal photo hides in their neighbour, and that bite photos show."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.dataset.patient_case import make_patient
from teethscape.dental.views import View
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.numbering.number import number_teeth
from teethscape.parametric.numbering.reopen import _between
from teethscape.parametric.prior import load_prior

from .scenes import views_of

PRIOR = load_prior()


def seen(numbers: list[int], places: list[tuple[float, float]], areas: list[float]) -> tuple:
    """What the rule needs of photos and of a numbering in which 12 is held to be missing."""
    found = SimpleNamespace(centre=np.array(places), area=np.array(areas))
    tooth = np.array([PRIOR.fdi.index(n) if n else -1 for n in numbers])
    guess = SimpleNamespace(
        layout=Layouts(PRIOR).get(frozenset({12}), frozenset({12})),
        views={View.ANTERIOR: SimpleNamespace(tooth=tooth)},
    )
    return SimpleNamespace(found={View.ANTERIOR: found}), guess


ROW = [(10.0, 50.0), (20.0, 50.0), (30.0, 50.0), (40.0, 50.0)]


@pytest.mark.parametrize(
    ("numbers", "area", "place", "expected"),
    [
        ([13, 0, 11, 21], 80.0, ROW[1], 1),
        ([13, 0, 11, 21], 20.0, ROW[1], None),  # a sliver
        ([13, 0, 11, 21], 80.0, (20.0, 70.0), None),  # in the other jaw
        ([13, 0, 11, 21], 80.0, (5.0, 50.0), None),  # beyond the canine
        ([13, 14, 11, 21], 80.0, ROW[1], None),  # it has a number
        ([14, 0, 11, 21], 80.0, ROW[1], None),  # the canine is not seen
    ],
)
def test_a_whole_instance_between_the_neighbours_is_the_tooth(numbers, area, place, expected):
    photos, guess = seen(numbers, [ROW[0], place, *ROW[2:]], [100.0, area, 90.0, 95.0])
    assert _between(photos, guess, View.ANTERIOR, PRIOR.fdi.index(12)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("pair", [(13, 12), (33, 32)])
def test_two_teeth_drawn_as_one_in_an_occlusal_photo_are_both_there(pair):
    patient = make_patient(PRIOR, 3)
    views = views_of(patient)
    occlusal = View.MAXILLARY_OCCLUSAL if pair[0] < 30 else View.MANDIBULAR_OCCLUSAL
    by_number = {number: i for i, number in patient.numbering[occlusal].items()}
    keep, lost = (by_number[number] for number in pair)
    labels = views[occlusal].instances
    views[occlusal] = replace(views[occlusal], instances=np.where(labels == lost, keep, labels))
    found = number_teeth(views, PRIOR)
    assert found.present == frozenset(patient.crowns)
    for view in (View.ANTERIOR, View.LEFT_BUCCAL, View.RIGHT_BUCCAL):
        truth = patient.numbering[view]
        assert {i: truth[i] for i in found.fdi[view]} == found.fdi[view]
