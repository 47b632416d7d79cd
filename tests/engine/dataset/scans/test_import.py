"""Scans that we synthesise become closed crowns in our frame, and bad ones are refused with the reason."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

sys.path.insert(0, str(Path(__file__).parent))
from scan_factory import MOTION, SHIFT, crown, write_teeth3ds, write_tooth_files

from teethscape.dataset.farm.cases import find_cases
from teethscape.dataset.farm.request import RenderRequest
from teethscape.dataset.scans.import_scans import ImportRequest, import_scans
from teethscape.dataset.scans.sources import safe_name
from teethscape.dental.fdi import TEETH, Jaw
from teethscape.errors import BadInputError, ExitCode
from teethscape.mesh.ply import read_ply
from teethscape.progress import NoProgress


def _import(scans: Path, output: Path, **options):
    return import_scans(ImportRequest(scans, output, **options), NoProgress())


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    write_teeth3ds(folder / "in", "0EA9")
    summary = _import(folder / "in", folder / "out")
    assert summary.failed == {}
    return folder / "out" / "0EA9"


def test_every_crown_is_closed_and_lies_where_the_mouth_has_it(imported):
    volumes = []
    for fdi in TEETH:
        solid, extra = read_ply(imported / "meshes" / "teeth" / f"FDI_{fdi}.ply")
        mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.euler_number == 2
        volumes.append(mesh.volume)
        true, _, _ = crown(fdi)
        scanned = solid.vertices[extra["inferred"] == 0]
        assert np.linalg.norm(scanned[:, None] - true[None], axis=2).min(axis=1).max() < 1.0, fdi
    assert min(volumes) > 50.0
    assert max(volumes) < 900.0


def test_what_was_scanned_is_not_changed(imported):
    """The crown is the scan's own surface, moved rigidly; only the cap is new."""
    record = json.loads((imported / "patient.json").read_text("utf-8"))
    motion = np.array(record["scan_to_world"]["upper"])
    solid, extra = read_ply(imported / "meshes" / "teeth" / "FDI_16.ply")
    true, _, _ = crown(16)
    scan = (true @ MOTION.T + SHIFT) @ motion[:3, :3].T + motion[:3, 3]
    kept = solid.vertices[extra["inferred"] == 0]
    assert np.linalg.norm(kept[:, None] - scan[None], axis=2).min(axis=1).max() < 2e-5
    assert record["bite"] == "scanned"


def test_a_cap_is_clean(imported):
    """As many and as large faces as the crown's own, no slivers, and none that reaches out of the neck."""
    solid, extra = read_ply(imported / "meshes" / "teeth" / "FDI_36.ply")
    mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
    cap = (extra["inferred"] == 1)[solid.faces].all(axis=1)
    assert 0.02 < mesh.area_faces[cap].sum() / mesh.area < 0.35
    edges = np.linalg.norm(
        solid.vertices[solid.faces] - solid.vertices[np.roll(solid.faces, 1, axis=1)], axis=2
    )
    assert edges[cap].max() < 3 * np.percentile(edges[~cap], 95)
    neck = solid.vertices[np.unique(solid.faces[cap])]
    assert np.ptp(neck[:, 2]) < 4.0


def test_both_jaws_share_one_unit_cube(imported):
    jaws = {}
    for jaw in Jaw:
        mesh = trimesh.load(imported / f"norm_{jaw}.ply", process=False)
        jaws[jaw] = np.asarray(mesh.vertices)
        assert mesh.visual.vertex_colors[0].tolist()[:3] == [230, 204, 178]  # those of the scan
    points = np.concatenate(list(jaws.values()))
    low, high = points.min(axis=0), points.max(axis=0)
    assert (high - low).max() == pytest.approx(1.0, abs=1e-6)
    assert low + high == pytest.approx(np.zeros(3), abs=1e-6)
    assert jaws[Jaw.UPPER][:, 1].mean() > 0.02 > -0.02 > jaws[Jaw.LOWER][:, 1].mean()  # y is cranial
    front, _ = read_ply(imported / "meshes" / "teeth" / "FDI_11.ply")
    back, _ = read_ply(imported / "meshes" / "teeth" / "FDI_17.ply")
    assert front.vertices[:, 1].mean() < back.vertices[:, 1].mean()  # Y is posterior
    assert back.vertices[:, 0].mean() < 0  # X is the patient's left


def test_the_transform_leads_back_to_millimetres(imported):
    transform = np.load(imported / "transform.npy", allow_pickle=True).item()
    mesh = trimesh.load(imported / "norm_upper.ply", process=False)
    world = np.asarray(mesh.vertices) / transform["scale"] + transform["center"]
    upper, extra = read_ply(imported / "meshes" / "upper.ply")
    assert np.stack([world[:, 0], -world[:, 2], world[:, 1]], axis=1) == pytest.approx(
        upper.vertices, abs=1e-4
    )
    assert set(np.unique(extra["fdi"])) == {fdi for fdi in TEETH if fdi < 30}


def test_the_farm_finds_both_jaws_of_the_patient(imported):
    cases = find_cases(RenderRequest("x", (imported.parent,)))
    assert [(c.uid, c.patient, c.jaw) for c in cases] == [
        ("0EA9_norm_lower", "0EA9", Jaw.LOWER), ("0EA9_norm_upper", "0EA9", Jaw.UPPER),
    ]  # fmt: skip


def test_a_messy_scan_gives_closed_crowns_too(tmp_path):
    write_teeth3ds(tmp_path / "in", "messy", mess=True)
    assert _import(tmp_path / "in", tmp_path / "out").failed == {}
    record = json.loads((tmp_path / "out" / "messy" / "patient.json").read_text("utf-8"))
    assert set(record["teeth"]) == {str(fdi) for fdi in TEETH}  # a single labelled vertex is no tooth
    assert record["teeth"]["27"]["borders_closed"] >= 2  # neck and hole
    assert record["teeth"]["27"]["faces_left_out"] >= 1
    for path in (tmp_path / "out" / "messy" / "meshes" / "teeth").iterdir():
        solid, _ = read_ply(path)
        assert trimesh.Trimesh(solid.vertices, solid.faces, process=False).is_watertight, path


@pytest.mark.parametrize("end", ["stl", "ply", "obj"])
def test_one_file_per_tooth(tmp_path, end):
    write_tooth_files(tmp_path / "in", "Müller", end)
    assert _import(tmp_path / "in", tmp_path / "out").failed == {}
    solid, _ = read_ply(tmp_path / "out" / "Müller" / "meshes" / "teeth" / "FDI_46.ply")
    assert trimesh.Trimesh(solid.vertices, solid.faces, process=False).is_watertight


def test_jaws_that_were_scanned_apart_are_refused_or_closed_on_demand(tmp_path):
    turned = {"lower": (np.diag([1.0, -1.0, -1.0]), np.array([0.0, 90.0, 0.0]))}
    write_teeth3ds(tmp_path / "in", "apart", **turned)
    summary = _import(tmp_path / "in", tmp_path / "out")
    assert "occlusion" in summary.failed["apart"]
    assert summary.to_json()["exit_code"] == ExitCode.BAD_INPUT
    assert not (tmp_path / "out" / "apart").exists()
    assert _import(tmp_path / "in", tmp_path / "out", estimate_bite=True).failed == {}
    record = json.loads((tmp_path / "out" / "apart" / "patient.json").read_text("utf-8"))
    assert record["bite"] == "estimated"
    solid, _ = read_ply(tmp_path / "out" / "apart" / "meshes" / "lower.ply")
    assert solid.vertices[:, 2].mean() < -1.0


def _edit(folder: Path, jaw: str, change) -> None:
    path = next(folder.rglob(f"*_{jaw}.json"))
    record = json.loads(path.read_text())
    record["labels"] = change(np.array(record["labels"])).tolist()
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: _edit(f, "upper", lambda n: n[:-1]), "labels for"),
        (lambda f: _edit(f, "upper", lambda n: np.where(n == 11, 51, n)), "milk teeth"),
        (lambda f: _edit(f, "upper", lambda n: np.where(n == 11, 31, n)), "no tooth of the upper jaw"),
        (lambda f: _edit(f, "lower", lambda n: np.where(n > 34, 0, n)), "teeth of lower are labelled"),
        (lambda f: [_edit(f, jaw, lambda n: np.where(n == 0, 0, n + 10 * np.where(n // 10 % 2, 1, -1)))
                    for jaw in ("upper", "lower")], "mirrored"),
        (lambda f: next(f.rglob("*_lower.obj")).write_text("v 0 0 0\nf 1 2 3\n"), "cannot be read"),
        (lambda f: [path.unlink() for path in f.rglob("*_lower.*")], "no lower jaw"),
    ],
)  # fmt: skip
def test_what_cannot_be_trusted_is_refused_with_the_reason(tmp_path, spoil, words):
    write_teeth3ds(tmp_path / "in", "bad")
    write_tooth_files(tmp_path / "in" / "files", "good")
    spoil(tmp_path / "in")
    summary = _import(tmp_path / "in", tmp_path / "out")
    assert words in summary.failed["bad"]
    assert summary.done == ("good",)  # one bad patient does not stop the others
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good"]


def test_metres_are_told(tmp_path):
    write_teeth3ds(tmp_path / "in", "m", upper=(MOTION / 1000, SHIFT), lower=(MOTION / 1000, SHIFT))
    assert "millimetres" in _import(tmp_path / "in", tmp_path / "out").failed["m"]


def test_one_jaw_on_demand(tmp_path):
    write_teeth3ds(tmp_path / "in", "one", jaws=(Jaw.UPPER,))
    assert _import(tmp_path / "in", tmp_path / "out", single_jaw=True).failed == {}
    assert not (tmp_path / "out" / "one" / "norm_lower.ply").exists()


def test_a_second_import_does_nothing_and_a_changed_scan_is_imported_anew(tmp_path):
    write_teeth3ds(tmp_path / "in", "again")
    _import(tmp_path / "in", tmp_path / "out")
    file = tmp_path / "out" / "again" / "norm_upper.ply"
    first = file.read_bytes()
    assert _import(tmp_path / "in", tmp_path / "out").skipped == 1
    (tmp_path / "out" / "again" / "patient.json").unlink()  # as a kill would leave it at worst
    assert _import(tmp_path / "in", tmp_path / "out").skipped == 0
    assert file.read_bytes() == first
    _edit(tmp_path / "in", "upper", lambda n: np.where(n == 17, 0, n))
    assert _import(tmp_path / "in", tmp_path / "out").skipped == 0
    assert not (tmp_path / "out" / "again" / "meshes" / "teeth" / "FDI_17.ply").exists()


def test_no_scans(tmp_path):
    with pytest.raises(BadInputError, match="no segmented scans"):
        _import(tmp_path, tmp_path / "out")


def test_a_patients_name_never_speaks_of_a_jaw():
    assert safe_name("Upper/Smith 3") == "Up-Smith-3"
    assert safe_name("...") == "patient"
