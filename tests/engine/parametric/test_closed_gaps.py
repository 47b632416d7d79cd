"""Gaps that the neighbours of a missing tooth have closed, from numbered labels."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dental.fdi import TEETH
from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.closed_gaps import closed_gaps
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.prior import load_prior

from .scenes import looking

UPPER, LOWER = View.MAXILLARY_OCCLUSAL, View.MANDIBULAR_OCCLUSAL


def occlusal_labels(missing, closed):
    """FDI labels of the mean teeth without some, after gaps have closed."""
    prior = Layouts(load_prior()).get(frozenset(missing), frozenset(closed)).prior
    arch = Arch(prior, ArchState.mean(len(prior.fdi)))
    present = frozenset(TEETH) - set(missing)
    return {view: expected_teeth(arch, present, view, looking(view, arch)) for view in (UPPER, LOWER)}


@pytest.mark.parametrize(
    ("missing", "closed"),
    [
        ((), ()),
        ((36,), (36,)),
        ((36,), ()),
        ((14, 24), (14, 24)),
        ((14, 46), (14,)),
        ((12, 22), ()),
        ((47, 17), ()),  # nobody stands behind them
    ],
)
def test_a_gap_is_closed_where_its_neighbours_stand_together(missing, closed):
    assert closed_gaps(occlusal_labels(missing, closed), load_prior(), {}) == set(closed)


def test_of_two_missing_neighbours_one_can_have_closed():
    found = closed_gaps(occlusal_labels((25, 26), (26,)), load_prior(), {})
    assert len(found & {25, 26}) == 1


def test_a_tooth_that_another_photo_shows_is_no_gap():
    labels = occlusal_labels((36,), (36,))
    bite = np.zeros_like(labels[LOWER])
    bite[:40, :40] = 36
    assert closed_gaps({**labels, View.LEFT_BUCCAL: bite}, load_prior(), {}) == set()


def test_too_few_labels_tell_of_no_closed_gap():
    labels = {
        view: np.where(np.isin(image, [11, 13]), image, 0) for view, image in occlusal_labels((), ()).items()
    }
    assert closed_gaps(labels, load_prior(), {}) == set()
