"""Milk and mixed dentitions are refused; permanent ones, however incomplete, are not."""

import cv2
import numpy as np
import pytest

from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.crown_sizes import crown_size
from teethscape.parametric.dentition import MARGIN, evidence, require_permanent
from teethscape.parametric.numbering.measure import Instances, NumberingView, along_arch, measure
from teethscape.parametric.numbering.number import number_teeth
from teethscape.parametric.prior import load_prior

UPPER, LOWER = View.MAXILLARY_OCCLUSAL, View.MANDIBULAR_OCCLUSAL
PX_PER_MM, FORESHORTENING, FREE_MM = 8.0, 0.9, 7.0
PERMANENT = {
    "whole": ("7654321|1234567",) * 2,
    "third molars": ("87654321|12345678",) * 2,
    "no second molars": ("654321|123456",) * 2,
    "first premolars extracted": ("765321|123567",) * 2,
    "first premolars extracted, third molars": ("8765321|1235678",) * 2,
    "second premolars never there": ("764321|123467",) * 2,
    "gaps left open": ("76_4321|1_34567", "7_54321|12345_7"),
    "molars not seen": ("54321|12345",) * 2,
    "front teeth only": ("4321|1234",) * 2,
    "one side only": ("7654321|", "|1234567"),
    "front teeth lost": ("76543_1|1234567", "765432__234567"),
}
CHILDREN = {
    "milk teeth": ("EDCBA|ABCDE",) * 2,
    "first molars there": ("6EDCBA|ABCDE6", "6EDCB1|1BCDE6"),
    "incisors exchanged": ("6EDC21|12CDE6",) * 2,
    "a lateral lost": ("6EDC21|1_CDE6", "6EDC21|12CDE6"),
}


def painted(row: str, view: View, seed: int = 0) -> np.ndarray:
    """Labels of an occlusal view: an ellipse per tooth along a parabola; ``_`` leaves a gap."""
    rng, jaw = np.random.default_rng(seed), view.jaws[0]
    teeth = [tooth for tooth in row if tooth != "|"]
    sizes = np.array([crown_size(jaw, t)[:2] if t != "_" else (FREE_MM, FREE_MM) for t in teeth])
    sizes *= np.exp(rng.normal(0.0, 0.05, sizes.shape))
    x = np.linspace(-1.0, 1.0, 2000)
    curve = np.stack([x, 1.6 * x**2 * np.abs(x) ** 0.5], axis=1)
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    curve *= sizes[:, 0].sum() / way[-1]
    middle = (np.cumsum(sizes[:, 0]) - 0.5 * sizes[:, 0]) / sizes[:, 0].sum() * way[-1]
    labels = np.zeros((480, 640), np.int32)
    for k in np.flatnonzero([tooth != "_" for tooth in teeth]):
        near = int(np.searchsorted(way, middle[k]))
        step = curve[min(near + 5, 1999)] - curve[max(near - 5, 0)]
        turn = np.arange(0.0, 2 * np.pi, 0.1)[:, None]
        along = step / np.linalg.norm(step)
        across = np.array([-along[1], along[0]])
        outline = curve[near] + 0.5 * (
            np.cos(turn) * sizes[k, :1] * along + np.sin(turn) * sizes[k, 1:] * across
        )
        outline = outline * PX_PER_MM * [1.0, FORESHORTENING] + [320.0, 60.0]
        cv2.fillPoly(labels, [outline.round().astype(np.int32)], int(k) + 1)
    return labels if jaw is Jaw.UPPER else np.ascontiguousarray(labels[::-1])


def seen(rows: tuple[str, str], seed: int = 0) -> dict[View, Instances]:
    """Measured instances of both occlusal views."""
    out = {}
    for view, row in zip((UPPER, LOWER), rows, strict=True):
        found = measure(painted(row, view, seed))
        out[view] = found.only(along_arch(found.centre, view is UPPER))
    return out


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rows", PERMANENT.values(), ids=PERMANENT.keys())
def test_permanent_teeth_are_never_refused(rows: tuple[str, str], seed: int):
    found = seen(rows, seed)
    assert evidence(found).nats < MARGIN - 4.0
    require_permanent(found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rows", CHILDREN.values(), ids=CHILDREN.keys())
def test_milk_teeth_are_refused_in_words(rows: tuple[str, str], seed: int):
    with pytest.raises(RefusedError, match="milk teeth") as refusal:
        require_permanent(seen(rows, seed))
    expected = {"primary_teeth"} if rows == CHILDREN["milk teeth"] else {"mixed_dentition", "primary_teeth"}
    assert refusal.value.code in expected
    assert refusal.value.exit_code == 5


def test_a_late_mixed_dentition_speaks_for_a_child():
    assert evidence(seen(("6E4321|1234E6", "6ED321|123DE6"))).nats > 0


def test_one_jaw_is_judged_by_itself():
    both = seen(("EDCBA|ABCDE", "7654321|1234567"))
    assert evidence({UPPER: both[UPPER]}).nats > evidence({LOWER: both[LOWER]}).nats
    assert set(evidence({UPPER: both[UPPER]}).rows) == {UPPER}


def test_views_of_the_bite_do_not_count():
    found = seen(PERMANENT["whole"])
    assert evidence(found | {View.ANTERIOR: found[UPPER]}).nats == evidence(found).nats


def test_numbering_refuses_a_child_before_it_numbers():
    labels = {view: painted("6EDC21|12CDE6", view) for view in View if view.is_occlusal}
    labels |= {view: painted("6EDC21|12CDE6", UPPER) for view in View if not view.is_occlusal}
    views = {view: NumberingView(image, None, 640, 480) for view, image in labels.items()}
    with pytest.raises(RefusedError) as refusal:
        number_teeth(views, load_prior())
    assert refusal.value.code == "mixed_dentition"


def test_sizes_of_milk_teeth_are_those_of_the_literature():
    for jaw in Jaw:
        width = {tooth: crown_size(jaw, tooth)[0] for tooth in "ABCDE12345678"}
        assert width["E"] > 1.2 * width["5"]
        assert all(width[milk] < width[tooth] for milk, tooth in zip("ABC", "123", strict=True))
    upper, lower = (sum(crown_size(jaw, t)[0] for t in "ABC") for jaw in (Jaw.UPPER, Jaw.LOWER))
    assert upper - lower == pytest.approx(4.0, abs=0.1)  # Meredith and Knott 1968
