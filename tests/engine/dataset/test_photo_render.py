"""Rendered cases: labels agree with the meshes through the cameras; renders repeat; errors have codes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

from teethscape.dataset.patient_files import camera_of
from teethscape.dataset.photo_looks import Looks, Tools
from teethscape.dataset.photo_patient import PatientOptions, write_patient
from teethscape.dataset.photo_scene import Part
from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.raster import IdBuffer, TriangleSoup, render_ids

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-bpy" / "bin" / "python"
SIZE = (200, 150)
LABELS = ("fdi", "jaws", "gums", "parts", "normals", "depth")
GUM = {Jaw.UPPER: 101, Jaw.LOWER: 102}

pytestmark = [
    pytest.mark.bpy,
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON.exists(),
        reason="no Blender as a module: python3 examples/environment.py .venv-bpy --profile bpy",
    ),
]


def render(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the script as a user would."""
    command = [str(PYTHON), str(ROOT / "render_scripts" / "photo_render.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A description and the case rendered from it: braces below, mirrored occlusal photos."""
    folder = tmp_path_factory.mktemp("photo")
    looks = Looks(braces=(Jaw.LOWER,), tools=Tools("glove", (0.7, 0.7, 0.7), mirror=True, flipped=True))
    looks = replace(looks, clinic=replace(looks.clinic, focal=2.4))
    write_patient(6, folder / "small.npz", PatientOptions(*SIZE, looks))
    done = render(
        "--patient", folder / "small.npz", "--output", folder / "out", "--samples", "1", "--threads", "1"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "small.npz", folder / "out" / "small"


def label(case: Path, name: str, view: View, mirrored: bool) -> np.ndarray:
    """A label picture as the camera of the record sees it."""
    image = cv2.imread(str(case / "labels" / name / f"{view.value}.png"), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image[:, ::-1] if mirrored else image


def drawn(case: Path, view: View, camera: Camera) -> tuple[IdBuffer, np.ndarray]:
    """Teeth and gums of the case's own meshes through a camera, and the meshes' face normals."""
    paths = {int(p.stem[-2:]): p for p in (case / "meshes" / "teeth").glob("FDI_*.ply")}
    own = {f: p for f, p in paths.items() if (Jaw.UPPER if f < 30 else Jaw.LOWER) in view.jaws}
    own |= {GUM[jaw]: case / "meshes" / f"gum_{jaw}.ply" for jaw in view.jaws}
    meshes = {value: trimesh.load(path, process=False) for value, path in own.items()}
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes.values())])
    faces = np.vstack([m.faces + s for m, s in zip(meshes.values(), starts, strict=False)]).astype(np.int32)
    owner = np.repeat(list(meshes), [len(m.faces) for m in meshes.values()]).astype(np.int32)
    soup = TriangleSoup(np.vstack([m.vertices for m in meshes.values()]), faces, owner)
    return render_ids(soup, camera), np.vstack([m.face_normals for m in meshes.values()])


def test_a_case_is_complete(made: tuple[Path, Path]) -> None:
    _, case = made
    assert not list(case.parent.glob(".*"))  # no drafts
    for view in View:
        photo = cv2.imread(str(case / "photos" / f"{view.value}.jpg"))
        assert photo is not None
        assert photo.shape == (SIZE[1], SIZE[0], 3)
        assert 40 < photo.mean() < 215
        for name in LABELS:
            assert label(case, name, view, False).shape[:2] == (SIZE[1], SIZE[0])
    record = json.loads((case / "patient.json").read_text(encoding="utf-8"))
    files = {int(p.stem[-2:]) for p in (case / "meshes" / "teeth").iterdir()}
    assert {tooth["fdi"] for tooth in record["teeth"]} == files
    assert record["cameras"] == json.loads((case / "cameras.json").read_text(encoding="utf-8"))["cameras"]


@pytest.mark.parametrize("view", list(View))
def test_labels_agree_with_the_geometry(made: tuple[Path, Path], view: View) -> None:
    _, case = made
    record = json.loads((case / "cameras.json").read_text(encoding="utf-8"))["cameras"][view.slug]
    assert record["mirrored"] is view.is_occlusal
    buffer, _ = drawn(case, view, camera_of(record))
    parts = label(case, "parts", view, record["mirrored"])
    fdi = label(case, "fdi", view, record["mirrored"])
    seen = np.isin(parts, [Part.TOOTH, Part.UPPER_GUM, Part.LOWER_GUM])
    assert seen.mean() > 0.2
    truth = np.where((buffer.owner > 0) & (buffer.owner < 100), buffer.owner, 0)
    for value in np.unique(fdi[seen & (fdi > 0)]):
        one, two = (fdi == value) & seen, (truth == value) & seen
        if two.sum() > 60:
            assert (one & two).sum() / (one | two).sum() > 0.97, (view, value)
    assert (fdi[seen] == truth[seen]).mean() > 0.99
    depth = label(case, "depth", view, record["mirrored"]) * 0.01
    both = seen & (fdi == truth) & np.isfinite(buffer.depth)
    assert np.median(np.abs(depth[both] - buffer.depth[both])) < 0.02


@pytest.mark.parametrize("view", [View.ANTERIOR, View.MANDIBULAR_OCCLUSAL])
def test_normals_are_those_of_the_meshes(made: tuple[Path, Path], view: View) -> None:
    _, case = made
    record = json.loads((case / "cameras.json").read_text(encoding="utf-8"))["cameras"][view.slug]
    camera = camera_of(record)
    buffer, face_normals = drawn(case, view, camera)
    image = cv2.cvtColor(label(case, "normals", view, record["mirrored"]), cv2.COLOR_BGRA2RGBA)
    normal = image[..., :3] / 127.5 - 1.0
    if record["mirrored"]:
        normal[..., 0] *= -1.0
    teeth = (
        (label(case, "parts", view, record["mirrored"]) == Part.TOOTH)
        & (buffer.owner > 0)
        & (buffer.owner < 100)
    )
    geometric = face_normals[buffer.face[teeth]] @ camera.rotation.T @ np.diag([1.0, -1.0, -1.0])
    cosine = (geometric * normal[teeth]).sum(axis=1)
    assert np.degrees(np.arccos(np.clip(np.median(cosine), -1.0, 1.0))) < 8.0  # smooth against flat
    assert (cosine > 0.5).mean() > 0.97


def test_brackets_belong_to_teeth_and_what_stands_beside_a_mirror_does_not(made: tuple[Path, Path]) -> None:
    _, case = made
    parts, fdi = (label(case, name, View.ANTERIOR, False) for name in ("parts", "fdi"))
    bracket = parts == Part.BRACKET
    assert bracket.sum() > 100
    assert (fdi[bracket] > 30).all()
    assert (label(case, "jaws", View.ANTERIOR, False)[bracket] == 2).all()
    assert not (parts == Part.WIRE).any()
    for view in (View.MAXILLARY_OCCLUSAL, View.MANDIBULAR_OCCLUSAL):
        beside = label(case, "parts", view, False) == Part.BESIDE_MIRROR
        assert (label(case, "fdi", view, False)[beside] == 0).all()


def test_a_render_repeats(made: tuple[Path, Path], tmp_path: Path) -> None:
    description, case = made
    done = render("--patient", description, "--output", tmp_path, "--samples", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    for path in sorted(case.rglob("*")):
        if path.is_file():
            again = tmp_path / "small" / path.relative_to(case)
            assert again.read_bytes() == path.read_bytes(), path.name


def test_errors_and_finished_cases(made: tuple[Path, Path], tmp_path: Path) -> None:
    description, case = made
    output = case.parent
    assert render("--patient", description, "--output", output).returncode == 2
    before = (case / "patient.json").stat().st_mtime_ns
    assert render("--patient", description, "--output", output, "--resume").returncode == 0
    assert (case / "patient.json").stat().st_mtime_ns == before
    (tmp_path / "cut.npz").write_bytes(description.read_bytes()[:5000])
    broken = render("--patient", tmp_path / "cut.npz", "--output", tmp_path / "out")
    assert broken.returncode == 3
    assert "cut.npz" in broken.stderr
    assert "Traceback" not in broken.stderr
    usage = render("--output", tmp_path)
    assert usage.returncode == 2
    assert "--patient" in usage.stderr


def test_a_device_that_is_missing_is_an_error_and_leaves_nothing(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    description, _ = made
    done = render("--patient", description, "--output", tmp_path, "--device", "METAL")
    if sys.platform != "darwin":
        assert done.returncode == 4
        assert "--device CPU" in done.stderr
        assert not list(tmp_path.iterdir())
