"""Which instances of an occlusal photo are teeth of its arch."""

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.parametric.numbering.arch_view import ArchView, in_front
from teethscape.parametric.numbering.measure import NumberingView
from teethscape.parametric.numbering.photo_set import measure_set
from teethscape.parametric.prior import load_prior

from .test_numbering_parts import camera_at, rendered

VIEW = View.MANDIBULAR_OCCLUSAL


def cut(labels: np.ndarray, fdi: int, parts: int) -> np.ndarray:
    """The labels with a tooth cut across its rows into parts of like area, with ids from 100 on."""
    out = labels.copy()
    rows, columns = np.nonzero(labels == fdi)
    order = np.argsort(rows, kind="stable")
    for k, own in enumerate(np.array_split(order, parts)):
        out[rows[own], columns[own]] = 100 + 10 * fdi + k
    return out


def numbers_of(labels: np.ndarray) -> dict[int, int]:
    """Number of each instance that the first numbering of the arch names."""
    height, width = labels.shape
    photos = measure_set({VIEW: NumberingView(labels, None, width, height)}, load_prior())
    seen = ArchView(photos, VIEW)
    return photos.numbers(VIEW, seen.teeth(seen.choice))


@pytest.mark.parametrize("parts", [2, 3])
def test_a_molar_in_parts_does_not_move_the_numbers_of_the_others(parts):
    whole = rendered(VIEW, camera_at(0, -60))
    found = numbers_of(cut(whole, 37, parts))
    others = {i for i in np.unique(whole[whole > 0]).tolist() if i != 37}
    assert {i: n for i, n in found.items() if i < 100} == {i: i for i in others}


def test_a_whole_arch_keeps_all_its_teeth():
    found = numbers_of(rendered(VIEW, camera_at(0, -60)))
    assert len(found) == 14
    assert all(i == n for i, n in found.items())


@pytest.mark.parametrize(
    ("view", "first", "second", "counts"),
    [
        (View.ANTERIOR, (11, 26, 27, None), (11, 27, None, 46), False),  # slivers: which molar, or none
        (View.ANTERIOR, (11, 26, 27, None), (12, 27, None, 46), True),
        (View.ANTERIOR, (25, 26, 27, None), (26, 27, None, None), True),  # the row moved by a tooth
        (View.LEFT_BUCCAL, (11, 26, 27, None), (11, 27, None, 46), True),
    ],
)
def test_which_molar_an_anterior_photo_shows_a_sliver_of_is_no_doubt(view, first, second, counts):
    fdi = load_prior().fdi
    one, other = (np.array([-1 if n is None else fdi.index(n) for n in names]) for names in (first, second))
    assert in_front(view, one, other, fdi) == counts


@pytest.mark.parametrize(
    ("crowded", "cost", "torn"), [(True, 92.0, True), (True, 40.0, False), (False, 92.0, False)]
)
def test_an_arch_in_pieces_that_fits_badly_is_doubted(crowded, cost, torn, monkeypatch):
    labels = rendered(VIEW, camera_at(0, -60))
    photos = measure_set({VIEW: NumberingView(labels, None, *labels.shape[::-1])}, load_prior())
    seen = ArchView(photos, VIEW)
    assert not seen.crowded
    monkeypatch.setattr(seen, "crowded", crowded)
    monkeypatch.setattr(seen, "candidates", [replace(seen.candidates[0], cost=cost)])
    assert seen.is_torn == torn


def test_an_arch_that_has_no_place_for_all_labels_is_crowded():
    labels = rendered(VIEW, camera_at(0, -60))
    for fdi in (46, 44, 42, 31, 33, 35, 36):
        labels = cut(labels, fdi, 2)
    photos = measure_set({VIEW: NumberingView(labels, None, *labels.shape[::-1])}, load_prior())
    assert ArchView(photos, VIEW).crowded
