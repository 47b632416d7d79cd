"""How much a flipped photo must gain before it counts as mirrored."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.dataset.patient_case import make_patient
from teethscape.dental.views import View
from teethscape.parametric.numbering import mirror
from teethscape.parametric.numbering.mirror import MirroredError, margin
from teethscape.parametric.numbering.number import Asked, number_teeth
from teethscape.parametric.prior import load_prior

from .scenes import views_of

FDI = load_prior().fdi
LOWER, FRONT = View.MANDIBULAR_OCCLUSAL, View.ANTERIOR
SIDES = (View.LEFT_BUCCAL, View.RIGHT_BUCCAL)
UPPER, OCCLUSAL = (View.MAXILLARY_OCCLUSAL,), (View.MAXILLARY_OCCLUSAL, LOWER)


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
    symmetric = margin(guess((42, 41, 31, 32), (42, 41, 31, 32)), (LOWER,))
    assert margin(guess(occlusal, anterior), (LOWER,)) == pytest.approx(symmetric + 6.0 * freed)


@pytest.fixture
def judged(monkeypatch):
    """What is said of five photos that gain this much when flipped; others lose 50 nats."""

    def judge(gains):
        shown = SimpleNamespace(tooth=[FDI.index(n) for n in (42, 41, 31, 32)])
        layout = SimpleNamespace(prior=SimpleNamespace(fdi=FDI))
        settled = SimpleNamespace(guess=SimpleNamespace(layout=layout, views=dict.fromkeys(View, shown)))
        monkeypatch.setattr(mirror, "flip_gain", lambda _s, _o, group: float(gains.get(group, -50)))
        return mirror.require_unmirrored(settled, {})

    return judge


@pytest.mark.parametrize(
    ("gains", "told"),
    [
        ({(FRONT,): -30, (LOWER,): 18}, (LOWER,)),
        ({(FRONT,): 7, (LOWER,): 24}, (LOWER,)),
        ({(FRONT,): 20, (LOWER,): 30}, (LOWER,)),  # so much that it need not stand out
        ({(FRONT,): -20, UPPER: 22, (LOWER,): 20, OCCLUSAL: 42}, OCCLUSAL),
        ({SIDES: 76, UPPER: 17, (LOWER,): -9, OCCLUSAL: 50}, SIDES),
    ],
)
def test_photos_that_fit_much_better_flipped_are_mirrored(gains, told, judged):
    with pytest.raises(MirroredError) as refusal:
        judged(gains)
    assert refusal.value.views == told


@pytest.mark.parametrize(
    "gains",
    [
        {(FRONT,): -30, (LOWER,): 8},
        {(FRONT,): 7, (LOWER,): 18},  # in a symmetric mouth all fit about as well
        {(FRONT,): -20, UPPER: 6, (LOWER,): 5, OCCLUSAL: 14},
    ],
)
def test_a_flip_that_does_not_stand_out_tells_nothing(gains, judged):
    near = {view for group, gain in gains.items() if gain > -10 for view in group}
    assert judged(gains) == {view: None if view in near else False for view in View}


def flipped(views, *which: View):
    """The same set with some photos as a mirror shows them; a buccal one is taken for the other side."""
    sides = {View.LEFT_BUCCAL: View.RIGHT_BUCCAL, View.RIGHT_BUCCAL: View.LEFT_BUCCAL}
    turned = {v: np.ascontiguousarray(views[v].instances[:, ::-1]) for v in which}
    return {**views, **{sides.get(v, v): replace(views[v], instances=image) for v, image in turned.items()}}


@pytest.mark.slow
def test_photos_as_they_are_are_not_mirrored():
    assert number_teeth(views_of(make_patient(load_prior(), 3)), load_prior()).mirrored == dict.fromkeys(
        View, False
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "which"),
    [
        (3, (View.ANTERIOR,)),
        (5, (View.LEFT_BUCCAL, View.RIGHT_BUCCAL)),
        (3, (View.MANDIBULAR_OCCLUSAL,)),
        (5, (View.MAXILLARY_OCCLUSAL, View.MANDIBULAR_OCCLUSAL)),
    ],
)
def test_flipped_photos_are_refused_and_no_other_is_named(seed, which):
    views = views_of(make_patient(load_prior(), seed))
    with pytest.raises(MirroredError) as refusal:
        number_teeth(flipped(views, *which), load_prior())
    assert refusal.value.views == which
    assert all((view.title in refusal.value.message) == (view in which) for view in View)


@pytest.mark.slow
def test_a_user_who_says_that_no_photo_is_mirrored_is_believed():
    views = flipped(views_of(make_patient(load_prior(), 3)), View.ANTERIOR)
    assert number_teeth(views, load_prior(), Asked(unmirrored=True)).mirrored == {}
