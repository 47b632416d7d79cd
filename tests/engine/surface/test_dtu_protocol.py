"""The DTU evaluation on a made-up scan: a plate whose distance is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy.io import savemat

from teethscape.cli import main
from teethscape.mesh.solid import Solid
from teethscape.surface.dtu_protocol import _disk, culled, thinned

SCAN = 24


def _plate(z, side=10.0):
    x, y = np.meshgrid(np.linspace(0, side, 41), np.linspace(0, side, 41))
    return np.stack([x, y, np.full_like(x, z)], axis=-1).reshape(-1, 3)


@pytest.fixture
def reference(tmp_path):
    (tmp_path / "ObsMask").mkdir()
    (tmp_path / "Points" / "stl").mkdir(parents=True)
    box = np.array([[-5.0, -5, -5], [15, 15, 15]])
    mask = np.ones((21, 21, 21), np.uint8)
    savemat(tmp_path / "ObsMask" / f"ObsMask{SCAN}_10.mat", {"ObsMask": mask, "BB": box, "Res": 1.0})
    savemat(tmp_path / "ObsMask" / f"Plane{SCAN}.mat", {"P": np.array([[0.0], [0], [1], [0]])})
    cloud = np.concatenate([_plate(1.0), _plate(-1.0)])  # half of it below the ground plane
    trimesh.PointCloud(cloud).export(tmp_path / "Points" / "stl" / f"stl{SCAN:03d}_total.ply")
    return tmp_path


def test_a_plate_half_a_millimetre_off_scores_half_a_millimetre(reference, tmp_path, capsys):
    mesh = trimesh.Trimesh(
        np.array([[0.0, 0, 1.5], [10, 0, 1.5], [10, 10, 1.5], [0, 10, 1.5]]), [[0, 1, 2], [0, 2, 3]]
    )
    mesh.export(tmp_path / "mesh.ply")
    arguments = [
        "evaluate",
        str(tmp_path / "mesh.ply"),
        str(reference),
        "--protocol",
        "dtu",
        "--scan",
        str(SCAN),
    ]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["chamfer_mm"] == pytest.approx(0.51, abs=0.03)
    assert found["f_1mm"] == pytest.approx(1.0)


def _evaluated(capsys, mesh, reference, *more):
    code = main(
        ["evaluate", str(mesh), str(reference), "--protocol", "dtu", "--scan", str(SCAN), "--json", *more]
    )
    return code, json.loads(capsys.readouterr().out)


def test_points_alone_score_like_a_mesh(reference, tmp_path, capsys):
    trimesh.PointCloud(_plate(1.5)).export(tmp_path / "points.ply")
    code, found = _evaluated(capsys, tmp_path / "points.ply", reference)
    assert code == 0
    assert found["d2s_mm"] == pytest.approx(0.5, abs=0.01)


def test_a_mesh_that_lies_elsewhere_has_no_score(reference, tmp_path, capsys):
    mesh = trimesh.creation.box((1, 1, 1))
    mesh.apply_translation((500, 0, 0))
    mesh.export(tmp_path / "mesh.ply")
    code, found = _evaluated(capsys, tmp_path / "mesh.ply", reference)
    assert code == 3
    assert found["error"]["code"] == "mesh_elsewhere"


def test_masks_grow_by_a_true_disk():
    assert int(_disk(24).sum()) == 1793


def test_a_scan_without_masks_is_refused(tmp_path, capsys):
    trimesh.creation.box().export(tmp_path / "mesh.ply")
    arguments = [
        "evaluate",
        str(tmp_path / "mesh.ply"),
        str(tmp_path),
        "--protocol",
        "dtu",
        "--scan",
        "24",
        "--json",
    ]
    assert main(arguments) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "dtu_incomplete"


def test_thinning_keeps_a_distance_and_covers_everything():
    points = np.random.default_rng(0).uniform(0, 1, (2000, 3))
    kept = thinned(points, 0.2, np.random.default_rng(1))
    gaps = np.linalg.norm(kept[:, None] - kept, axis=-1) + np.eye(len(kept))
    assert gaps.min() >= 0.2
    assert np.linalg.norm(points[:, None] - kept, axis=-1).min(axis=1).max() <= 0.2


def test_culling_keeps_what_masks_show_and_scales(tmp_path):
    k = np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
    pose = np.column_stack([np.eye(3), [0, 0, 4]])
    scale, world = np.diag([10.0, 10, 10, 1]), np.eye(4)
    world[:3] = k @ pose @ np.linalg.inv(scale)
    np.savez(tmp_path / "cameras.npz", world_mat_0=world, scale_mat_0=scale)
    (tmp_path / "mask").mkdir()
    mask = np.zeros((100, 100), np.uint8)
    mask[48:52, 48:52] = 255
    Image.fromarray(mask).save(tmp_path / "mask" / "000.png")
    vertices = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [1.6, 0, 0], [1.7, 0, 0], [1.6, 0.1, 0]], float)
    found = culled(Solid("m", vertices, np.array([[0, 1, 2], [3, 4, 5]])), tmp_path)
    assert found.faces.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(found.vertices[1], (1, 0, 0))
