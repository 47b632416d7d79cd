"""Numbers that the user gave hold in every numbering."""

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dataset.patient_case import make_patient
from teethscape.dental.views import View
from teethscape.parametric.numbering.names import Told, imposed
from teethscape.parametric.numbering.number import number_teeth
from teethscape.parametric.numbering.result import with_names
from teethscape.parametric.prior import load_prior
from teethscape.parametric.synthesis import misnamed

from .scenes import views_of


def test_names_are_imposed_and_nobody_else_has_them():
    tooth, names = np.array([4, 5, -1, 7]), np.array([-1, 4, -1, -1])
    assert imposed(tooth, names).tolist() == [-1, 4, -1, 7]
    assert imposed(tooth, np.full(4, -1)).tolist() == tooth.tolist()


@pytest.mark.parametrize(
    ("places", "allowed"),
    [((3, 4, 5), True), ((3, 5, 6), False), ((4, -1, 5), False), ((3, -1, 5), False), ((2, 4, 5), False)],
)
def test_places_are_those_that_were_told(places, allowed):
    assert Told(frozenset({2}), (-1, 4)).allows(places) is allowed


def test_what_is_told_of_some_instances_stays_theirs():
    told = Told(named=(-1, 4, -1, 6))
    assert told.only([1, 3, 5]).named == (4, 6, -1)


def test_a_named_instance_alone_has_its_number():
    assert with_names({1: 11, 2: 12, 3: 12}, {2: 13, 4: 12}) == {1: 11, 2: 13, 4: 12}


def test_a_model_that_holds_a_named_tooth_to_be_another_is_told():
    names = np.zeros((4, 6), np.int32)
    names[:, :3], names[:, 4:] = 15, 16
    model = np.where(names == 15, 14, names)
    assert misnamed({View.ANTERIOR: model}, {View.ANTERIOR: names}) == [(View.ANTERIOR, 15)]
    assert misnamed({View.ANTERIOR: names}, {View.ANTERIOR: names}) == []
    assert misnamed({View.ANTERIOR: 0 * names}, {View.ANTERIOR: names}) == []  # not drawn is no other tooth


@pytest.mark.slow
@pytest.mark.parametrize("view", [View.MAXILLARY_OCCLUSAL, View.RIGHT_BUCCAL])
def test_a_name_outweighs_what_the_photos_say(view):
    prior = load_prior()
    patient = make_patient(prior, 7)
    assert patient.recipe.dentition.missing == {14}
    named = {i: 14 for i, fdi in patient.numbering[view].items() if fdi == 15}
    views = views_of(patient)
    views[view] = replace(views[view], named=named)
    found = number_teeth(views, prior)
    assert len(named) == 1
    assert named.items() <= found.fdi[view].items()
    assert 14 in found.present
