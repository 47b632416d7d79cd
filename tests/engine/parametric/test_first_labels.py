"""Labels that are drawn before the first fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.parametric.first_labels import doubted, drawn_by_numbering
from teethscape.parametric.observations import UNNUMBERED, observe

from .scenes import Whole


@pytest.fixture
def cut(exact, patient):
    """The lower occlusal photo's truth, and a function that draws pieces of it anew before the first fit."""
    arch, cameras, labels = patient
    view = View.MANDIBULAR_OCCLUSAL

    def draw(pieces, numbers):
        numbered = replace(exact[1], numbering={**exact[1].numbering, view: numbers})
        eyes = {v: Whole(image) for v, image in labels.items()}
        return drawn_by_numbering(numbered, {**labels, view: pieces}, arch, cameras, eyes).labels[view]

    return labels[view], dict(exact[1].numbering[view]), draw


def part(truth, tooth, share):
    """Pixels of a tooth in its first columns."""
    columns = np.nonzero((truth == tooth).any(axis=0))[0]
    left = np.arange(truth.shape[1]) < np.quantile(columns, share)
    return (truth == tooth) & left


def test_before_the_first_fit_pieces_are_joined_and_teeth_without_a_label_come_back(cut):
    truth, numbers, draw = cut
    pieces = truth.copy()
    pieces[part(truth, 37, 0.5)] = 0
    pieces[truth == 44] = 0
    drawn = draw(pieces, numbers)
    for tooth in (37, 44, 36):
        assert ((drawn == tooth) & (truth == tooth)).sum() > 0.95 * (truth == tooth).sum(), tooth
    assert (pieces == 37).sum() < 0.6 * (truth == 37).sum()


def test_a_small_piece_under_a_neighbours_number_goes_where_the_model_says(cut):
    truth, numbers, draw = cut
    pieces = truth.copy()
    stray = part(truth, 36, 0.4)
    pieces[stray] = 99
    drawn = draw(pieces, {**numbers, 99: 37})
    assert 0.1 * (truth == 36).sum() < stray.sum() < (truth == 37).sum()
    assert (drawn[stray] == 36).mean() > 0.95


def test_a_piece_without_a_number_does_not_steer_the_first_fit(exact, cut):
    truth, *_ = cut
    view = View.MANDIBULAR_OCCLUSAL
    pieces = truth.copy()
    loose = part(truth, 36, 0.4)
    pieces[loose] = 99
    drawn = np.where(loose, 37, truth)  # as a rough model may guess
    numbered = replace(exact[1], labels={**exact[1].labels, view: drawn})
    labels = doubted(numbered, {**exact[1].labels, view: pieces})
    assert (labels[view][loose] == UNNUMBERED).all()
    assert (labels[View.ANTERIOR] == exact[1].labels[View.ANTERIOR]).all()
    prior = exact[0].problem.prior
    seen, guessed = (observe(view, image, prior, 480).contour for image in (labels[view], drawn))
    rows = np.nonzero(loose)
    for tooth in (prior.fdi.index(36), prior.fdi.index(37)):
        inside = [_beside(points.position[points.tooth == tooth], rows) for points in (seen, guessed)]
        assert inside[0].sum() <= 3 < inside[1].sum(), tooth


def _beside(points, rows):
    """Which outline points (n, 2) touch pixels."""
    pixels = np.stack(rows[::-1], axis=1)
    return np.array([np.abs(pixels - point).max(axis=1).min() <= 1 for point in points])
