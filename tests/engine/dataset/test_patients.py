"""Synthetic patients: contacts, bite, labels and files are what they claim to be."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from teethscape.dataset.patient_arch import Dentition, draw_state, random_arches
from teethscape.dataset.patient_bite import settled
from teethscape.dataset.patient_cameras import Clinic, clinic_cameras, exif_focal
from teethscape.dataset.patient_case import (
    Recipe,
    SyntheticPatient,
    make_patient,
    random_missing,
    redrawn,
)
from teethscape.dataset.patient_crowns import Crown, gap_along
from teethscape.dataset.patient_files import camera_of, camera_record, load_patient, save_patient
from teethscape.dataset.patient_masks import LabelErrors, outlined, shuffled_ids
from teethscape.dataset.patient_shape import ShapeNoise, noise_of_twins, outside_modes, smooth_field, worn
from teethscape.dental.fdi import Jaw, arch
from teethscape.dental.views import View
from teethscape.parametric.prior import ToothPrior, load_prior

SMALL = Clinic(width=240, height=180)


@pytest.fixture(scope="module")
def prior() -> ToothPrior:
    return load_prior()


@pytest.fixture(scope="module")
def patient(prior: ToothPrior) -> SyntheticPatient:
    teeth = Dentition(missing=frozenset({15, 36}), closed=frozenset({15}))
    return make_patient(prior, 3, Recipe(dentition=teeth, clinic=SMALL))


def gap(one: Crown, two: Crown) -> float:
    """Horizontal gap between two neighbours, mm."""
    way = (two.centre - one.centre) * [1, 1, 0]
    return gap_along(one.vertices[~one.cap], two.vertices[~two.cap], way / np.linalg.norm(way))


def test_gap_between_parallel_walls() -> None:
    y, z = np.meshgrid(np.arange(0, 5, 0.3), np.arange(0, 5, 0.3))
    wall = np.stack([np.zeros(y.size), y.ravel(), z.ravel()], 1)
    assert gap_along(wall, wall + np.array([1.5, 0, 0]), np.array([1.0, 0, 0])) == pytest.approx(1.5)
    assert gap_along(wall, wall - np.array([0.4, 0, 0]), np.array([1.0, 0, 0])) == pytest.approx(-0.4)
    assert np.isinf(gap_along(wall, wall + np.array([1.0, 20.0, 0]), np.array([1.0, 0, 0])))


def test_smooth_field_has_unit_variance() -> None:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    values = np.array([smooth_field(directions, rng) for _ in range(60)])
    assert values.std() == pytest.approx(1.0, abs=0.1)
    assert abs(values.mean()) < 0.1


def test_noise_lies_outside_the_modes(prior: ToothPrior) -> None:
    shape = prior.shape(16)
    right, left = noise_of_twins(shape, ShapeNoise(rms=0.15), np.random.default_rng(1))
    basis = shape.modes.reshape(len(shape.modes), -1)
    assert np.abs(basis @ right.ravel()).max() < 1e-6
    assert np.sqrt((right[~shape.cap] ** 2).sum(1).mean()) == pytest.approx(0.15)
    similarity = (right * left).sum() / np.sqrt((right**2).sum() * (left**2).sum())
    assert 0.2 < similarity < 0.95
    assert np.allclose(outside_modes(shape.modes[3], shape.modes), 0.0, atol=1e-9)


def test_wear_lowers_the_top_only(prior: ToothPrior) -> None:
    shape = prior.shape(13)
    ground = worn(shape.mean, shape.cap, 0.5)
    assert shape.mean[:, 2].max() - ground[:, 2].max() == pytest.approx(0.5, abs=0.1)
    low = shape.mean[:, 2] < shape.mean[:, 2].max() - 2.0
    assert np.abs(ground[low] - shape.mean[low]).max() < 1e-3
    assert np.array_equal(worn(shape.mean, shape.cap, 0.0), shape.mean)


def test_neighbours_touch_and_gaps_are_as_asked(patient: SyntheticPatient) -> None:
    assert 15 not in patient.crowns
    assert 36 not in patient.crowns
    for jaw in Jaw:
        order = [fdi for fdi in arch(jaw) if fdi in patient.crowns]
        for one, two in pairwise(order):
            between = gap(patient.crowns[one], patient.crowns[two])
            if {one, two} == {35, 37}:
                assert between > 7.0  # left open
            else:
                assert -0.25 < between < 0.35  # touching, the closed gap of 15 included


def test_jaws_rest_on_each_other_on_both_sides(patient: SyntheticPatient) -> None:
    upper, lower = (np.vstack([c.vertices for c in patient.crowns.values() if c.jaw is jaw]) for jaw in Jaw)
    for side in (-1.0, 1.0):
        own = upper[upper[:, 0] * side > 8.0]
        nearest = cKDTree(lower[lower[:, 0] * side > 8.0]).query(own)[0]
        assert nearest.min() < 0.6


def test_opening_keeps_the_jaws_apart(prior: ToothPrior) -> None:
    crowns, bite = random_arches(prior, Dentition(), np.random.default_rng(2))
    closed, opened = settled(crowns, bite, 0.0), settled(crowns, bite, 1.5)
    assert np.allclose(closed[46].vertices - opened[46].vertices, [0.0, 0.0, 1.5])
    assert np.array_equal(closed[16].vertices, opened[16].vertices)


def test_spread_scales_the_poses(prior: ToothPrior) -> None:
    wide = draw_state(prior, Dentition(spread=1.0), np.random.default_rng(5))
    tight = draw_state(prior, Dentition(spread=0.5), np.random.default_rng(5))
    assert np.allclose(tight.translation, 0.5 * wide.translation)


def test_cameras_see_the_standard_views(prior: ToothPrior) -> None:
    crowns, bite = random_arches(prior, Dentition(), np.random.default_rng(4))
    crowns = settled(crowns, bite, 0.0)
    cameras = clinic_cameras(crowns, Clinic(), np.random.default_rng(4))

    def at(view: View, fdi: int) -> np.ndarray:
        return cameras[view].project(crowns[fdi].centre[None])[0]

    for view in (View.ANTERIOR, View.MAXILLARY_OCCLUSAL):
        assert at(view, 23)[0] > at(view, 13)[0]  # the patient's left at the image's right
    assert at(View.LEFT_BUCCAL, 25)[0] > at(View.LEFT_BUCCAL, 22)[0]
    assert at(View.RIGHT_BUCCAL, 15)[0] < at(View.RIGHT_BUCCAL, 12)[0]
    assert at(View.ANTERIOR, 11)[1] < at(View.ANTERIOR, 41)[1]
    assert at(View.MAXILLARY_OCCLUSAL, 11)[1] < at(View.MAXILLARY_OCCLUSAL, 16)[1]
    assert at(View.MANDIBULAR_OCCLUSAL, 41)[1] > at(View.MANDIBULAR_OCCLUSAL, 46)[1]


def test_exif_focal_is_the_diagonal_equivalent(patient: SyntheticPatient) -> None:
    camera = replace(patient.cameras[View.ANTERIOR], width=4000, height=3000, focal=5000.0)
    assert exif_focal(camera, np.random.default_rng(0)) == pytest.approx(43.27, rel=0.08)


def test_labels_show_visible_teeth_of_the_right_jaw(patient: SyntheticPatient) -> None:
    for view in View:
        seen = set(np.unique(patient.visible[view])) - {0}
        assert seen <= set(patient.crowns)
    assert set(np.unique(patient.drawn[View.MAXILLARY_OCCLUSAL])) <= {0, *arch(Jaw.UPPER)}
    assert {11, 21} <= set(np.unique(patient.drawn[View.ANTERIOR]))
    ids = patient.instances[View.ANTERIOR]
    table = patient.numbering[View.ANTERIOR]
    for value, fdi in table.items():
        assert np.array_equal(ids == value, patient.drawn[View.ANTERIOR] == fdi)
    assert set(np.unique(patient.jaw_labels()[View.ANTERIOR])) == {0, 1, 2}
    assert set(np.unique(patient.tooth_labels()[View.ANTERIOR])) == {0, 1}


def test_growth_changes_the_area(patient: SyntheticPatient) -> None:
    still = LabelErrors(growth_spread=0.0, wobble=0.01, dropped=0.0)
    areas = [
        (redrawn(patient, replace(still, growth=way), 0).drawn[View.ANTERIOR] > 0).sum()
        for way in (-6.0, 0.0, 6.0)
    ]
    assert areas[0] < areas[1] < areas[2]


def test_merging_and_dropping_reduce_the_instances(patient: SyntheticPatient) -> None:
    def count(errors: LabelErrors) -> int:
        return len(redrawn(patient, errors, 1).numbering[View.ANTERIOR])

    clean = count(LabelErrors(dropped=0.0))
    assert count(LabelErrors(dropped=0.5)) < clean
    assert count(LabelErrors(dropped=0.0, merged=0.6)) < clean


def test_outlines_have_one_piece_and_no_cracks() -> None:
    labels = np.zeros((540, 720), np.int32)
    labels[100:200, 100:180] = 5
    labels[150, 100:160] = 0  # a crack
    labels[300:306, 300:306] = 5  # a loose bit
    labels[100:200, 180:260] = 7
    labels[100:105, 300:305] = 9  # a sliver
    tidy = outlined(labels)
    assert set(np.unique(tidy)) == {0, 5, 7}
    assert tidy[150, 130] == 5
    assert not tidy[300:306].any()


def test_shuffled_ids_are_a_bijection() -> None:
    labels = np.array([[0, 11, 12], [21, 12, 0]], np.int32)
    ids, table = shuffled_ids(labels, np.random.default_rng(0))
    assert sorted(table.values()) == [11, 12, 21]
    back = np.array([[table.get(int(v), 0) for v in row] for row in ids])
    assert np.array_equal(back, labels)


def test_missing_teeth_are_distinct() -> None:
    drawn = [random_missing(3, np.random.default_rng(s)) for s in range(5)]
    assert all(len(teeth) == 3 for teeth in drawn)
    assert len(set(drawn)) > 1


def test_same_seed_same_patient(prior: ToothPrior, patient: SyntheticPatient) -> None:
    again = make_patient(prior, 3, patient.recipe)
    assert np.array_equal(again.instances[View.LEFT_BUCCAL], patient.instances[View.LEFT_BUCCAL])
    assert np.array_equal(again.crowns[11].vertices, patient.crowns[11].vertices)
    other = make_patient(prior, 4, patient.recipe)
    assert not np.array_equal(other.crowns[11].vertices, patient.crowns[11].vertices)


def test_files_give_the_patient_back(patient: SyntheticPatient, tmp_path: Path) -> None:
    save_patient(patient, tmp_path)
    back = load_patient(tmp_path)
    assert back.recipe == patient.recipe
    assert back.numbering == patient.numbering
    assert np.array_equal(back.crowns[23].vertices, patient.crowns[23].vertices)
    for view in View:
        assert np.array_equal(back.instances[view], patient.instances[view])
        point = patient.crowns[11].centre[None]
        assert np.allclose(back.cameras[view].project(point), patient.cameras[view].project(point))
    assert (tmp_path / "truth" / "teeth" / "FDI_11.ply").is_file()
    assert len(list((tmp_path / "masks").glob("*.png"))) == 5


def test_camera_records_keep_the_projection(patient: SyntheticPatient) -> None:
    camera = patient.cameras[View.MANDIBULAR_OCCLUSAL]
    points = patient.crowns[41].vertices
    assert np.allclose(camera_of(camera_record(camera)).project(points), camera.project(points))
