"""The evaluator agrees with closed forms, and measuring with its definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import trimesh

from teethscape.dental.case import CaseFolder
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.mesh.align import Similarity, best_similarity
from teethscape.mesh.load import load_mesh, load_teeth
from teethscape.mesh.measure import Measurement, arch_widths, bolton_ratio
from teethscape.mesh.ply import write_ply
from teethscape.mesh.scores import Alignment, distances, score_teeth
from teethscape.mesh.solid import FileNote, Solid

NOTE = FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.04))


def _rotation(seed: int) -> np.ndarray:
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def _teeth() -> dict[int, Solid]:
    """Ellipsoids along an arch, each of another shape."""
    sphere, teeth = trimesh.creation.icosphere(subdivisions=3), {}
    for k, fdi in enumerate((13, 12, 11, 21, 22, 23)):
        angle = (k - 2.5) * 0.4
        axes = np.array([4.0 + 0.2 * k, 3.0, 5.0])
        vertices = sphere.vertices * axes + [30 * math.sin(angle), -20 * math.cos(angle), 0.3 * k]
        teeth[fdi] = Solid(f"FDI_{fdi}", vertices, np.asarray(sphere.faces, np.int32))
    return teeth


def test_distances_of_two_shifted_points():
    scores = distances(np.zeros((1, 3)), np.array([[3.0, 4.0, 0.0]]))
    assert scores["cd_l1_mm"] == pytest.approx(5)
    assert scores["cd_mm2"] == pytest.approx(50)
    assert scores["f_1mm"] == 0


def test_similarity_is_recovered_exactly():
    points = np.random.default_rng(0).normal(size=(20, 3))
    truth = Similarity(1.07, _rotation(1), np.array([1.0, -2.0, 3.0]))
    found = best_similarity(points, truth.points(points), True)
    assert found.scale == pytest.approx(1.07)
    assert np.allclose(found.rotation, truth.rotation)
    mirrored = best_similarity(points, points * [-1, 1, 1], True)
    assert np.linalg.det(mirrored.rotation) == pytest.approx(1)


@pytest.mark.parametrize("alignment", [Alignment.SIMILARITY, Alignment.RIGID])
def test_moved_copy_scores_as_identical(alignment):
    reference = _teeth()
    scale = 1.06 if alignment is Alignment.SIMILARITY else 1.0
    turn = _rotation(3)
    moved = {f: Solid(s.name, scale * s.vertices @ turn.T + 5.0, s.faces) for f, s in reference.items()}
    found = score_teeth(moved, reference, alignment, samples=3000)
    assert found.mean["cd_mm2"] < 0.06  # what the sampling alone leaves
    assert found.mean["dice"] > 0.99
    assert all(value * scale == pytest.approx(1, abs=0.003) for value in found.scale.values())


def test_dice_of_half_overlapping_boxes():
    box = trimesh.creation.box((2, 2, 2))
    faces = np.asarray(box.faces, np.int32)
    found = score_teeth(
        {11: Solid("a", np.asarray(box.vertices) + np.array([1.0, 0, 0]), faces)},
        {11: Solid("b", np.asarray(box.vertices), faces), 21: Solid("c", np.asarray(box.vertices), faces)},
        Alignment.NONE,
    )
    assert found.teeth[11]["dice"] == pytest.approx(0.5, abs=1e-3)
    assert found.missing == (21,)


def test_teeth_are_found_by_number(tmp_path):
    for name in ("11.ply", "tooth_FDI=21.ply", "notes.txt", "upper.ply"):
        with (tmp_path / name).open("wb") as stream:
            write_ply(stream, _teeth()[11], NOTE)
    assert sorted(load_teeth(tmp_path)) == [11, 21]


def test_arch_width_is_between_tips(tmp_path):
    case = CaseFolder(tmp_path)
    teeth, records = _teeth(), []
    for fdi in (13, 23):
        path = case.tooth_mesh(fdi)
        path.parent.mkdir(parents=True, exist_ok=True)
        solid = teeth[fdi]
        with path.open("wb") as stream:
            write_ply(stream, solid, NOTE, {"sigma_mm": np.full(len(solid.vertices), 0.3)})
        axes = np.diag([1.0, 1.0, -1.0])
        records.append({"fdi": fdi, "mesh": f"meshes/teeth/{path.name}", "axes": axes.tolist()})
    (found,) = arch_widths(case, {"teeth": records, "scale": {"relative_sigma": 0.04}})
    tips = [teeth[f].vertices[teeth[f].vertices[:, 2].argmin()] for f in (13, 23)]
    length = np.linalg.norm(tips[0] - tips[1])
    assert found.mm == pytest.approx(length, abs=1e-4)
    assert found.sigma_mm == pytest.approx(math.hypot(0.3 * math.sqrt(2), 0.04 * length), rel=1e-4)
    low, high = found.interval_mm
    assert high - low == pytest.approx(2 * 1.6449 * found.sigma_mm)


def test_bolton_needs_all_teeth():
    widths = [
        Measurement(str(f), 8.0 if f < 30 else 6.0, 0.1) for f in (11, 12, 13, 21, 22, 23, 31, 32, 33, 41, 42)
    ]
    assert bolton_ratio(widths, True) is None
    assert bolton_ratio([*widths, Measurement("43", 6.0, 0.1)], True) == pytest.approx(0.75)


def test_agrees_with_the_shared_evaluator_on_the_reference_itself(shared):
    folder = shared / "cases" / "case-a" / "reference" / "teeth"
    few = {f: load_mesh(folder / f"{f}.ply") for f in (11, 12, 13)}
    found = score_teeth(few, few, Alignment.SIMILARITY)
    assert 0.01 < found.mean["cd_mm2"] < 0.025  # documented floor of the metric: 0.018 mm2
    assert found.mean["dice"] > 0.99
