"""Descriptions of synthetic patients: reproducible, complete, varied."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from teethscape.dataset.photo_looks import Looks, Tools, random_looks
from teethscape.dataset.photo_patient import PatientOptions, PhotoPatient, make_photo_patient, write_patient
from teethscape.dataset.photo_scene import FORMAT, Part, description_bytes
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.views import View

SEED = 5


@pytest.fixture(scope="module")
def patient() -> PhotoPatient:
    return make_photo_patient(SEED)


def test_the_same_seed_gives_the_same_file(patient: PhotoPatient, tmp_path: Path) -> None:
    write_patient(SEED, tmp_path / "p.npz")
    assert (tmp_path / "p.npz").read_bytes() == description_bytes(patient.pieces, patient.record)
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


def test_another_seed_gives_another_patient(patient: PhotoPatient) -> None:
    other = make_photo_patient(SEED + 1)
    assert other.record["looks"] != patient.record["looks"]
    shared = set(other.mouth.crowns) & set(patient.mouth.crowns)
    assert all(
        np.abs(other.mouth.crowns[f].vertices - patient.mouth.crowns[f].vertices).max() > 0.1 for f in shared
    )


def test_description_is_complete(patient: PhotoPatient, tmp_path: Path) -> None:
    (tmp_path / "p.npz").write_bytes(description_bytes(patient.pieces, patient.record))
    with np.load(tmp_path / "p.npz", allow_pickle=False) as data:
        record = json.loads(str(data["description"]))
        names = [piece["name"] for piece in record["pieces"]]
        assert len(set(names)) == len(names)
        for piece in record["pieces"]:
            vertices, faces = data[f"{piece['name']}|vertices"], data[f"{piece['name']}|faces"]
            assert np.isfinite(vertices).all()
            assert faces.min() >= 0
            assert faces.max() < len(vertices)
            assert all(len(data[f"{piece['name']}|{key}"]) == len(vertices) for key in piece["values"])
            assert piece["material"] in record["materials"]
    assert record["format"] == FORMAT
    assert [view["view"] for view in record["views"]] == [0, 1, 2, 3, 4]
    assert [tooth["fdi"] for tooth in record["teeth"]] == sorted(patient.mouth.crowns)


def test_every_view_shows_its_jaws_only(patient: PhotoPatient) -> None:
    for view in View:
        shown = [p for p in patient.pieces if view in p.views]
        teeth = {p.fdi for p in shown if p.part is Part.TOOTH}
        assert teeth == {f for f in patient.mouth.crowns if jaw_of(f) in view.jaws}
        gums = {p.part for p in shown} & {Part.UPPER_GUM, Part.LOWER_GUM}
        assert len(gums) == len(view.jaws)
        assert any(p.part is Part.LIPS_AND_CHEEKS for p in shown)


def test_looks_of_many_patients_cover_what_clinics_see() -> None:
    drawn = [random_looks(np.random.default_rng(k)) for k in range(400)]
    share = {
        "braces": np.mean([bool(x.braces) for x in drawn]),
        "mirror": np.mean([x.tools.mirror for x in drawn]),
        "flipped": np.mean([x.tools.flipped for x in drawn]),
        "missing": np.mean([bool(x.dentition.missing) for x in drawn]),
        "fillings": np.mean([bool(x.fillings) for x in drawn]),
        "spaced": np.mean([x.dentition.spacing > 0 for x in drawn]),
        "crowded": np.mean([x.dentition.crowding > 0 for x in drawn]),
    }
    assert all(0.04 < value < 0.8 for value in share.values()), share
    assert {x.tools.kind for x in drawn} == {"plastic", "metal", "glove", "lips"}
    assert {x.light.kind for x in drawn} == {"ring", "twin", "single"}
    assert not any(x.tools.flipped and not x.tools.mirror for x in drawn)


def test_mirrored_photo_is_told(patient: PhotoPatient) -> None:
    looks = replace(patient.mouth.looks, tools=Tools(mirror=True, flipped=True))
    made = make_photo_patient(SEED, PatientOptions(looks=looks))
    assert [view["mirrored"] for view in made.record["views"]] == [False, False, False, True, True]
    shown = {p.part for p in made.pieces if View.MAXILLARY_OCCLUSAL in p.views}
    assert {Part.MIRROR_RIM, Part.BESIDE_MIRROR} <= shown


def test_brackets_belong_to_their_tooth() -> None:
    made = make_photo_patient(2, PatientOptions(320, 240, Looks(braces=(Jaw.LOWER,))))
    brackets = [p for p in made.pieces if p.part is Part.BRACKET]
    assert {p.fdi for p in brackets} == {
        f for f in made.mouth.crowns if jaw_of(f) is Jaw.LOWER and f % 10 <= 6
    }
    assert made.record["width"] == 320
