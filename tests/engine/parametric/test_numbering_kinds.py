"""What the network says of kinds of teeth weighs as it was measured to be right."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from teethscape.dataset.patient_case import make_patient
from teethscape.dental.fdi import PLACES, Jaw, arch
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.numbering.kinds import groups_of, kind_costs, named_kinds
from teethscape.parametric.numbering.measure import NumberingView, measure
from teethscape.parametric.numbering.number import number_teeth
from teethscape.parametric.prior import load_prior

from .scenes import views_of

PRIOR = load_prior()


def test_what_is_not_known_costs_nothing():
    costs = kind_costs(np.array([3, 8]), {8: [1 / PLACES] * PLACES})
    assert np.allclose(costs, 0)


def test_a_sure_kind_gains_and_another_one_costs_but_not_without_end():
    (costs,) = kind_costs(np.array([5]), {5: np.eye(PLACES)[2]})
    assert costs[2] < -1
    assert (np.delete(costs, 2) > 1).all()
    assert groups_of((13,))[0] == 2
    assert (costs < 3).all()


def test_premolars_are_not_told_apart():
    (costs,) = kind_costs(np.array([5]), {5: np.eye(PLACES)[3]})
    one, other, canine = groups_of((14, 45, 33))
    assert costs[one] == costs[other] < 0 < costs[canine]


def test_lower_incisors_are_not_told_apart_but_upper_ones_are():
    (costs,) = kind_costs(np.array([5]), {5: np.eye(PLACES)[0]})
    central, lateral, lower, other = groups_of((11, 22, 31, 42))
    assert costs[central] < costs[lower] == costs[other] < 0 < costs[lateral]


def test_a_label_without_a_name_costs_nothing():
    costs = kind_costs(np.array([1, 2]), {i: np.eye(PLACES)[0] for i in (1, 2)})
    named = named_kinds(costs, np.array([-1, PRIOR.fdi.index(21)]), PRIOR.fdi)
    assert named[0] == 0
    assert named[1] < 0


def test_instances_keep_their_kinds_when_some_are_chosen():
    labels = np.zeros((40, 60), np.int32)
    labels[5:20, 5:20], labels[5:20, 30:45] = 4, 9
    found = measure(labels, {9: np.eye(PLACES)[6]})
    assert found.only(np.array([1])).kind_cost[0].argmin() == groups_of((37,))[0]


@pytest.mark.slow
def test_kinds_make_numbers_surer_and_doubtful_where_they_speak_for_the_next_tooth():
    patient = make_patient(PRIOR, 3)
    views = views_of(patient)
    plain = number_teeth(views, PRIOR)
    found = number_teeth({v: _told(given, plain.fdi[v]) for v, given in views.items()}, PRIOR)
    assert found.fdi == plain.fdi
    assert found.margin[View.LEFT_BUCCAL] > plain.margin[View.LEFT_BUCCAL]
    one = View.LEFT_BUCCAL
    moved = {i: _NEXT.get(fdi, fdi) for i, fdi in plain.fdi[one].items()}
    with pytest.raises(RefusedError) as refused:
        number_teeth({**views, one: _told(views[one], moved)}, PRIOR)
    assert refused.value.code == "numbering_uncertain"


#: Every tooth's neighbour in its jaw, from the patient's right to the left.
_NEXT = {one: other for jaw in Jaw for one, other in itertools.pairwise(arch(jaw))}


def _told(given: NumberingView, names: Mapping[int, int]) -> NumberingView:
    """A view whose labels the network calls like some numbers, rather surely."""
    kinds = {i: 0.9 * np.eye(PLACES)[fdi % 10 - 1] + 0.1 / PLACES for i, fdi in names.items()}
    return replace(given, kinds=kinds)
