"""How much a flipped photo must gain before it counts as mirrored."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from teethscape.dental.views import View
from teethscape.parametric.numbering.mirror import margin
from teethscape.parametric.prior import load_prior

FDI = load_prior().fdi
LOWER, FRONT = View.MANDIBULAR_OCCLUSAL, View.ANTERIOR


def guess(occlusal: tuple[int, ...], anterior: tuple[int, ...]):
    """The numbers that two photos show, the first with one instance that has none."""
    shown = {LOWER: [*(FDI.index(n) for n in occlusal), -1], FRONT: [FDI.index(n) for n in anterior]}
    views = {view: SimpleNamespace(tooth=teeth) for view, teeth in shown.items()}
    return SimpleNamespace(layout=SimpleNamespace(prior=SimpleNamespace(fdi=FDI)), views=views)


@pytest.mark.parametrize(
    ("occlusal", "anterior", "freed"),
    [
        ((42, 41, 31, 32), (42, 41, 31, 32), 0),
        ((42, 41, 32), (42, 41, 32), 1),  # 31 is missing: flipped, the photo would show a tooth of its own
        ((47, 42, 41, 31, 32, 37), (42, 41, 31, 32), 0),  # molars that no other photo shows, flipped or not
    ],
)
def test_a_tooth_whose_twin_is_missing_raises_the_bar(occlusal, anterior, freed):
    symmetric = margin(guess((42, 41, 31, 32), (42, 41, 31, 32)), LOWER)
    assert margin(guess(occlusal, anterior), LOWER) == pytest.approx(symmetric + 6.0 * freed)
