"""Average teeth in place of a jaw that a case has none of."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.anchor.antagonists import average_antagonists, lacking
from teethscape.anchor.cameras import start_of
from teethscape.anchor.jaw import fitted_jaw
from teethscape.dataset.patient_case import make_patient
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.mesh.solid import Solid
from teethscape.parametric.prior import load_prior

from .paint import fitted

_AWAY = np.array([1.0, 2, 3])


@pytest.mark.parametrize("jaw", list(Jaw))
def test_average_antagonists_bring_the_middle_of_the_pair_nearer(jaw):
    near, far = [], []
    for seed in range(1, 6):
        crowns = make_patient(load_prior(), seed).crowns
        teeth = {fdi: Solid("crown", crown.vertices, crown.faces) for fdi, crown in crowns.items()}
        own = {fdi: solid for fdi, solid in teeth.items() if jaw_of(fdi) is jaw}
        assert lacking(teeth) is None
        lacks = lacking(own)
        assert lacks is not None
        points = np.concatenate([solid.vertices for solid in own.values()])
        truth = _middle(np.concatenate([solid.vertices for solid in teeth.values()]))
        far.append(np.linalg.norm(_middle(points) - truth))
        both = np.concatenate([points, average_antagonists(own, lacks)])
        near.append(np.linalg.norm(_middle(both) - truth))
    assert np.mean(near) < 0.75 * np.mean(far)


def _middle(points):
    return (points.min(axis=0) + points.max(axis=0)) / 2


def test_few_or_only_wisdom_teeth_have_average_antagonists():
    crown = Solid("crown", load_prior().mean_vertices(16) + _AWAY, np.zeros((0, 3), np.int32))
    lower = np.concatenate([load_prior().mean_vertices(fdi) for fdi in load_prior().fdi if fdi > 30])
    np.testing.assert_allclose(average_antagonists({16: crown}, Jaw.LOWER), lower + _AWAY)
    np.testing.assert_allclose(average_antagonists({18: crown}, Jaw.LOWER), lower)


@pytest.mark.parametrize("jaw", list(Jaw))
def test_views_of_a_case_of_one_jaw_begin_near_where_the_pair_says(crowns, jaw):
    pair = fitted(crowns)
    whole = start_of(fitted_jaw(pair, jaw))
    alone = start_of(fitted_jaw({fdi: crown for fdi, crown in pair.items() if jaw_of(fdi) is jaw}, jaw))
    assert alone.scale == pytest.approx(whole.scale, rel=0.1)
    middle = fitted_jaw(pair, jaw).soup.vertices.mean(axis=0, keepdims=True)
    off_mm = np.linalg.norm(alone.points(middle) - whole.points(middle)) / whole.scale
    assert off_mm < 3.0
