"""Soft tissue, mirrors and braces stand where a mouth has them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from teethscape.dataset.gums import neck_ring
from teethscape.dataset.mouth.brackets import braces
from teethscape.dataset.mouth.enamel_paint import Filling, Shade, enamel_colour, filling_field
from teethscape.dataset.mouth.fields import ArchLine, arch_line, arch_map, smooth_min
from teethscape.dataset.mouth.interdigitation import _gaps, interdigitated
from teethscape.dataset.mouth.lining import fold_curve
from teethscape.dataset.mouth.mirror import fitting_plane
from teethscape.dataset.mouth.tissue import JawTissue, TissueStyle, jaw_tissue
from teethscape.dataset.patient_arch import Dentition, random_arches
from teethscape.dataset.patient_bite import settled
from teethscape.dataset.patient_cameras import Clinic, framed_camera
from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.parametric.prior import load_prior


@pytest.fixture(scope="module")
def crowns() -> dict[int, Crown]:
    teeth = Dentition(missing=frozenset({36}), spread=0.5)
    found, bite = random_arches(load_prior(), teeth, np.random.default_rng(1))
    return settled(found, 0.3 * bite, 0.0)


@pytest.fixture(scope="module")
def lower(crowns: dict[int, Crown]) -> JawTissue:
    return jaw_tissue(list(crowns.values()), Jaw.LOWER, TissueStyle(), np.random.default_rng(2))


def test_smooth_minimum_lies_below_both() -> None:
    a, b = np.array([1.0, 0.0, 3.0]), np.array([1.0, 5.0, -2.0])
    assert (smooth_min(a, b, 0.5) <= np.minimum(a, b) + 1e-12).all()
    assert smooth_min(a, b, 0.5)[1:] == pytest.approx(np.minimum(a, b)[1:])


def test_arch_map_tells_inside_from_outside() -> None:
    t = np.linspace(-np.pi, 0.0, 200)
    horseshoe = np.stack([20.0 * np.cos(t), 25.0 * np.sin(t), np.full(200, -3.0)], 1)
    found = arch_map(ArchLine(Jaw.UPPER, horseshoe, (0.0, 0.0)), np.array([[0.0, -10.0], [0.0, -30.0]]))
    assert found.distance[0] < -8.0
    assert found.distance[1] == pytest.approx(5.0, abs=0.1)
    assert found.neck == pytest.approx([-3.0, -3.0])


def test_gums_reach_every_neck_and_fill_the_gap(crowns: dict[int, Crown], lower: JawTissue) -> None:
    near = cKDTree(lower.vertices)
    for crown in crowns.values():
        if crown.jaw is Jaw.LOWER:
            assert np.median(near.query(neck_ring(crown))[0]) < 1.0, crown.fdi
    gap = 0.5 * (neck_ring(crowns[35]).mean(axis=0) + neck_ring(crowns[37]).mean(axis=0))
    assert near.query(gap)[0] < 4.0  # a ridge, not a hole


def test_gums_leave_the_crowns_free(crowns: dict[int, Crown], lower: JawTissue) -> None:
    for crown in crowns.values():
        if crown.jaw is Jaw.LOWER and crown.fdi != 36:
            height = (lower.vertices - crown.centre) @ crown.axes[:, 2]
            top = float(((crown.vertices - crown.centre) @ crown.axes[:, 2]).max())
            beside = np.linalg.norm((lower.vertices - crown.centre) @ crown.axes[:, :2], axis=1)
            assert height[beside < 3.0].max() < 0.75 * top, crown.fdi


def test_teeth_erupt_into_contact(crowns: dict[int, Crown]) -> None:
    grown = interdigitated(crowns)
    before, after = _gaps(crowns), _gaps(grown)
    back = [fdi for fdi in before if fdi % 10 >= 4 and fdi in after]
    assert (
        np.median(np.abs([after[f] for f in back]))
        < 0.35 * np.median(np.abs([before[f] for f in back])) + 0.05
    )
    moved = [np.abs(grown[f].centre - crowns[f].centre) for f in crowns]
    assert np.max(moved) <= 2.4 + 1e-9
    assert np.max(np.array(moved)[:, :2]) == 0.0


def test_fold_lies_outside_and_apical(crowns: dict[int, Crown]) -> None:
    line = arch_line(list(crowns.values()), Jaw.UPPER)
    curve = fold_curve(line, 10.0)
    found = arch_map(line, curve[:, :2])
    assert (found.distance > 3.0).all()
    assert (curve[:, 2] - found.neck > 8.0).all()


@pytest.mark.parametrize("view", [View.MAXILLARY_OCCLUSAL, View.MANDIBULAR_OCCLUSAL])
def test_mirror_has_the_teeth_behind_and_their_double_before_it(crowns: dict[int, Crown], view: View) -> None:
    camera = framed_camera(view, crowns, Clinic(pitch=np.radians(65.0), focal=2.5), np.random.default_rng(0))
    own = [c for c in crowns.values() if c.jaw is view.jaws[0]]
    teeth = np.vstack([c.vertices for c in own])
    front = np.vstack([c.vertices for c in own if c.fdi % 10 <= 3])
    plane = fitting_plane(camera, teeth, front, 0.1)
    assert ((teeth - plane.point) @ plane.normal).min() == pytest.approx(2.0)
    assert (camera.centre - plane.point) @ plane.normal < 0.0
    again = plane.reflected(front)
    assert ((again - plane.point) @ plane.normal).max() < 0.0
    assert plane.reflected(again) == pytest.approx(front)


def test_brackets_stand_on_buccal_faces(crowns: dict[int, Crown]) -> None:
    found = braces(list(crowns.values()), Jaw.UPPER)
    assert [b.fdi for b in found] == [16, 15, 14, 13, 12, 11, 21, 22, 23, 24, 25, 26]
    for brace in found:
        crown = crowns[brace.fdi]
        buccal = (crown.vertices - crown.centre) @ crown.axes[:, 1]
        assert (brace.slot - crown.centre) @ crown.axes[:, 1] > 0.8 * buccal.max(), brace.fdi
        assert 0.5 < cKDTree(crown.vertices).query(brace.slot)[0] < 2.0, brace.fdi


def test_paint_is_a_colour_and_fillings_have_an_edge(crowns: dict[int, Crown]) -> None:
    rng = np.random.default_rng(4)
    for fdi in (11, 16, 46):
        colour = enamel_colour(crowns[fdi], Shade(), rng)
        assert colour.min() > 0.0
        assert colour.max() < 1.0
        assert colour[:, 0].mean() > colour[:, 2].mean()
        assert colour.std(axis=0).min() > 0.005
    field = filling_field(crowns[46], Filling.AMALGAM, rng)
    assert 0.01 < (field > 0).mean() < 0.5
    assert (filling_field(crowns[46], Filling.GOLD, rng) > 0).all()
