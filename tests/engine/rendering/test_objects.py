"""Ids, jaws, partners and places of mesh files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rendering import objects
from rendering.objects import JawChoice

from teethscape.dataset.farm.layout import partner_of
from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError, UsageError


def test_the_id_is_the_folder_and_the_stem():
    assert objects.uid_of(Path("/data/case0/norm_upper.ply")) == "case0_norm_upper"


@pytest.mark.parametrize(
    ("path", "jaw"),
    [
        ("/a/norm_upper.stl", Jaw.UPPER),
        ("/a/NORM_LOWER.obj", Jaw.LOWER),
        ("/upper/case7_lower.ply", Jaw.LOWER),  # the file's own name comes first
        ("/upper/case7.ply", Jaw.UPPER),
        ("/lower/upper_and_lower.ply", Jaw.LOWER),
    ],
)
def test_names_tell_the_jaw(path, jaw):
    assert objects.jaw_of_file(Path(path), JawChoice.AUTO) is jaw


def test_a_name_without_a_jaw_is_refused_unless_told():
    with pytest.raises(BadInputError) as caught:
        objects.jaw_of_file(Path("/a/case7.ply"), JawChoice.AUTO)
    assert caught.value.code == "jaw_unknown"
    assert objects.jaw_of_file(Path("/a/case7.ply"), JawChoice.LOWER) is Jaw.LOWER


def test_two_files_of_one_id_are_refused_and_one_file_twice_is_not():
    one, other = Path("/a/case/upper.ply"), Path("/b/case/upper.stl")
    with pytest.raises(UsageError):
        objects.describe((one, other), JawChoice.AUTO)
    assert [item.uid for item in objects.describe((one, one), JawChoice.AUTO)] == ["case_upper"]


def test_the_partner_is_the_other_jaw_of_the_same_name(tmp_path):
    upper = tmp_path / "upper" / "x_upper.ply"
    upper.parent.mkdir()
    assert partner_of(upper, Jaw.UPPER) is None
    upper.with_name("x_lower.ply").touch()
    assert partner_of(upper, Jaw.UPPER) == upper.with_name("x_lower.ply")
    assert partner_of(tmp_path / "scan.ply", Jaw.UPPER) is None


def test_a_jaw_of_a_normalised_pair_is_recognised():
    rng = np.random.default_rng(0)
    jaw = rng.uniform([-0.5, -0.2, -0.45], [0.5, 0.0, 0.45], (500, 3))
    assert objects.looks_normalised(jaw)
    assert not objects.looks_normalised(jaw * 60)  # millimetres
    assert not objects.looks_normalised(jaw * 0.06)  # metres
    assert not objects.looks_normalised(jaw + np.array([0.3, 0, 0]))  # not centred


def test_a_placement_centres_the_box_and_makes_its_largest_extent_one():
    vertices = np.array([[10.0, 0, -5], [70, 20, 25], [30, 5, 0]])
    placement = objects.box_placement(vertices, "pair")
    placed = (vertices - placement.centre) * placement.scale
    np.testing.assert_allclose(placed.min(axis=0) + placed.max(axis=0), 0, atol=1e-12)
    assert np.ptp(placed, axis=0).max() == pytest.approx(1)
