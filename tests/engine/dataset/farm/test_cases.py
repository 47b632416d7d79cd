"""Which cases a request means, what they are called, and whose they are."""

from __future__ import annotations

import pytest

from teethscape.dataset.farm.cases import find_cases
from teethscape.dataset.farm.request import Kind, RenderRequest
from teethscape.dataset.farm.splits import split_patients
from teethscape.errors import BadInputError


def _request(*meshes, **values):
    return RenderRequest("out", tuple(meshes), **values)


def test_a_synthetic_patient_is_photographs_and_two_jaws():
    cases = find_cases(_request(synthetic=2, first=7, kinds=tuple(Kind)))
    assert [case.uid for case in cases[:3]] == [
        "synthetic-000007", "synthetic-000007_norm_lower", "synthetic-000007_norm_upper",
    ]  # fmt: skip
    assert len(cases) == 6
    assert {case.patient for case in cases[:3]} == {"synthetic-000007"}
    assert cases[0].kinds == (Kind.PHOTO,)
    assert cases[1].kinds == (Kind.NORMAL, Kind.COLOR)


def test_the_same_numbers_mean_the_same_patients_in_any_portion():
    whole = find_cases(_request(synthetic=4, kinds=(Kind.PHOTO,)))
    halves = [find_cases(_request(synthetic=2, first=k, kinds=(Kind.PHOTO,))) for k in (0, 2)]
    assert whole == halves[0] + halves[1]


def test_meshes_come_from_files_folders_and_lists(meshes, tmp_path):
    one = meshes / "P2" / "norm_upper.ply"
    (tmp_path / "list.txt").write_text("# a comment\n\nmeshes/P2/norm_lower.ply\nmeshes/P2/norm_upper.ply\n")
    cases = find_cases(_request(one, tmp_path / "list.txt"))
    assert [(case.uid, case.patient) for case in cases] == [("P2_norm_lower", "P2"), ("P2_norm_upper", "P2")]
    assert len(find_cases(_request(meshes))) == 4


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("P3/jaw.ply", "does not tell its jaw"),
        ("P3/upper_lower.ply", "does not tell its jaw"),
        ("lower-jaws/upper.ply", "names both jaws"),
        ("P3/upper.fbx", "no OBJ, PLY, STL or GLB"),
    ],
)
def test_a_mesh_without_a_clear_jaw_is_refused(tmp_path, name, words):
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text("x")
    with pytest.raises(BadInputError, match=words):
        find_cases(_request(path))


def test_two_meshes_of_one_name_are_refused(tmp_path):
    for place in ("a/P1", "b/P1"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "upper.ply").write_text("x")
    with pytest.raises(BadInputError, match="same name P1_upper"):
        find_cases(_request(tmp_path))


def test_meshes_have_no_photographs(meshes):
    with pytest.raises(BadInputError, match="no photographs"):
        find_cases(_request(meshes, kinds=(Kind.PHOTO,)))


def test_splits_are_by_patient_and_do_not_depend_on_the_order():
    patients = [f"P{k}" for k in range(50)]
    split = split_patients(patients, 0.2, 0)
    assert sum(part == "val" for part in split.values()) == 10
    assert split == split_patients(reversed(patients), 0.2, 0)
    assert split != split_patients(patients, 0.2, 1)
    assert set(split_patients(["a", "b"], 0.01, 0).values()) == {"train", "val"}
    assert split_patients(["a"], 0.5, 0) == {"a": "train"}
    assert set(split_patients(patients, 0.0, 0).values()) == {"train"}
