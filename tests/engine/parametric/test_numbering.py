"""Numbers of shuffled instances, judged against patients whose truth is known."""

import numpy as np
import pytest

from teethscape.dataset.patient_case import make_patient
from teethscape.dental.fdi import UPPER_ARCH, Jaws
from teethscape.dental.views import BITE_VIEWS, View
from teethscape.errors import RefusedError
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.numbering.measure import Instances, NumberingView
from teethscape.parametric.numbering.number import Asked, number_teeth
from teethscape.parametric.numbering.photo_set import PhotoSet
from teethscape.parametric.numbering.result import left_out
from teethscape.parametric.prior import load_prior

from .scenes import views_of


def well_shown(labels: np.ndarray) -> set[int]:
    """Instances above half of the median area: slivers may stay without a number."""
    values, areas = np.unique(labels[labels > 0], return_counts=True)
    return {int(v) for v in values[areas > 0.5 * np.median(areas)]}


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "missing"), [(3, 0), (4, 2)])
def test_shuffled_instances_get_their_numbers_back(seed, missing):
    prior = load_prior()
    patient = make_patient(prior, seed)
    assert len(patient.recipe.dentition.missing) == missing
    found = number_teeth(views_of(patient), prior)
    for view, truth in patient.numbering.items():
        named = found.fdi[view]
        assert {i: truth[i] for i in named} == named
        assert well_shown(patient.instances[view]) <= set(named)
    assert found.present == frozenset(patient.crowns)
    assert set(found.cameras) == set(View)


@pytest.mark.slow
def test_one_jaw_needs_no_photo_of_the_other():
    prior = load_prior()
    patient = make_patient(prior, 3)
    views = {v: seen for v, seen in views_of(patient).items() if v is not View.MANDIBULAR_OCCLUSAL}
    found = number_teeth(views, prior, Asked(Jaws.UPPER))
    assert all(fdi < 30 for fdi in found.present)
    upper = {i: n for i, n in patient.numbering[View.ANTERIOR].items() if n < 30}
    named = {i: n for i, n in found.fdi[View.ANTERIOR].items() if n < 30}
    assert {i: upper.get(i) for i in named} == named


def test_a_tooth_behind_the_second_molar_is_told():
    small = NumberingView(np.zeros((8, 8), np.int32), None, 8, 8)
    ids = np.arange(1, 17, dtype=np.int32)
    found = Instances(
        ids, np.zeros((16, 2)), np.full(16, 50.0), np.zeros((16, 2, 2)), np.ones(16, bool), np.zeros((16, 7))
    )
    view = View.MAXILLARY_OCCLUSAL
    photos = PhotoSet({view: small}, {}, {view: found}, {}, {}, {}, Layouts(load_prior()))
    names = {int(i): fdi for i, fdi in zip(ids[1:15], UPPER_ARCH, strict=True)}
    assert left_out(photos, {view: names}) == ("A third molar in the Maxillary Occlusal photo is left out.",)
    del names[2]  # no second molar: what lies behind may be one
    assert left_out(photos, {view: {**names, 16: 27}}) == ()


def test_too_few_instances_are_refused():
    labels = np.zeros((60, 80), np.int32)
    labels[20:40, 10:30], labels[20:40, 40:60] = 1, 2
    views = {v: NumberingView(labels, None, 80, 60, None) for v in (*BITE_VIEWS, *View)}
    with pytest.raises(RefusedError) as refusal:
        number_teeth(views, load_prior())
    assert refusal.value.code == "too_few_teeth"
