"""The DTU evaluation on a made-up scan: a plate whose distance is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy.io import savemat

from teethscape.cli import main
from teethscape.errors import BadInputError
from teethscape.mesh.solid import Solid
from teethscape.surface import dtu_protocol
from teethscape.surface.dtu_protocol import _disk, culled, read_observed, thinned

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


def test_points_that_are_nowhere_are_refused(reference, tmp_path, capsys):
    cloud = _plate(1.5)
    cloud[5] = np.nan
    trimesh.PointCloud(cloud).export(tmp_path / "points.ply")
    code, told = _evaluated(capsys, tmp_path / "points.ply", reference)
    assert (code, told["error"]["code"]) == (3, "mesh_damaged")
    trimesh.PointCloud(cloud).export(reference / "Points" / "stl" / f"stl{SCAN:03d}_total.ply")
    trimesh.PointCloud(_plate(1.5)).export(tmp_path / "points.ply")
    code, told = _evaluated(capsys, tmp_path / "points.ply", reference)
    assert (code, told["error"]["code"]) == (3, "dtu_incomplete")
    assert "_total.ply" in told["error"]["message"]


def test_a_mesh_that_lies_elsewhere_has_no_score(reference, tmp_path, capsys):
    mesh = trimesh.creation.box((1, 1, 1))
    mesh.apply_translation((500, 0, 0))
    mesh.export(tmp_path / "mesh.ply")
    code, found = _evaluated(capsys, tmp_path / "mesh.ply", reference)
    assert code == 3
    assert found["error"]["code"] == "mesh_elsewhere"


def _masks(**changes):
    box = np.array([[-5.0, -5, -5], [15, 15, 15]])
    return {"ObsMask": np.ones((21, 21, 21), np.uint8), "BB": box, "Res": 1.0, **changes}


def _torn(path):
    """A compressed file whose content was overwritten."""
    noise = np.random.default_rng(0).integers(0, 2, (21, 21, 21)).astype(np.uint8)
    savemat(path, _masks(ObsMask=noise), do_compression=True)
    content = bytearray(path.read_bytes())
    content[300:600] = b"\xff" * 300
    path.write_bytes(bytes(content))


_NEW_FORMAT = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM\x89HDF" + b"0" * 200


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(_NEW_FORMAT),
        _torn,
        lambda path: savemat(path, {"ObsMask": np.ones((2, 2, 2))}),
        lambda path: savemat(path, _masks(BB=np.zeros((1, 3)))),
        lambda path: savemat(path, _masks(BB=np.full((2, 3), np.nan))),
        lambda path: savemat(path, _masks(ObsMask=np.ones((6, 6)))),
        lambda path: savemat(path, _masks(Res=0.0)),
        lambda path: savemat(path, _masks(Res=np.zeros((0, 0)))),
    ],
    ids=["empty", "7.3", "torn", "no BB", "one corner", "nan", "flat", "no size", "size missing"],
)
def test_damaged_masks_are_named(reference, damage):
    path = reference / "ObsMask" / f"ObsMask{SCAN}_10.mat"
    damage(path)
    with pytest.raises(BadInputError) as refused:
        read_observed(reference, SCAN)
    assert refused.value.code == "dtu_incomplete"
    assert str(path) in refused.value.message


def test_a_plane_of_two_numbers_is_none(reference):
    path = reference / "ObsMask" / f"Plane{SCAN}.mat"
    savemat(path, {"P": np.array([1.0, 2])})
    with pytest.raises(BadInputError, match=path.name) as refused:
        read_observed(reference, SCAN)
    assert refused.value.code == "dtu_incomplete"


@pytest.mark.parametrize(
    "name",
    [f"ObsMask/ObsMask{SCAN}_10.mat", f"ObsMask/Plane{SCAN}.mat", f"Points/stl/stl{SCAN:03d}_total.ply"],
)
def test_a_missing_file_is_named(reference, name):
    (reference / name).unlink()
    with pytest.raises(BadInputError) as refused:
        read_observed(reference, SCAN)
    assert refused.value.message == f"{reference / name} does not exist."


def test_a_scan_folder_that_is_missing_or_empty_is_no_damage(reference, tmp_path, capsys):
    trimesh.creation.box().export(tmp_path / "mesh.ply")
    scan = tmp_path / "scan"
    code, told = _evaluated(capsys, tmp_path / "mesh.ply", reference, "--scan-folder", str(scan))
    assert (code, told["error"]["code"]) == (3, "folder_missing")
    scan.mkdir()
    code, told = _evaluated(capsys, tmp_path / "mesh.ply", reference, "--scan-folder", str(scan))
    assert (code, told["error"]["code"]) == (3, "dtu_incomplete")
    assert "cameras.npz does not exist" in told["error"]["message"]


@pytest.mark.parametrize("name", ["nope.ply", "nope.obj"])
def test_a_mesh_that_does_not_exist_is_said_to_be_missing(reference, tmp_path, capsys, name):
    code, told = _evaluated(capsys, tmp_path / name, reference)
    assert (code, told["error"]["code"]) == (3, "file_missing")


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


def test_thinning_in_parts_keeps_the_same_points_and_asks_only_for_those_that_are_left(monkeypatch):
    points = np.random.default_rng(0).uniform(0, 1, (2000, 3))
    whole, asked = thinned(points, 0.2, np.random.default_rng(1)), []

    class Counting(dtu_protocol.KDTree):
        def query_ball_point(self, places, *rest, **options):
            asked.append(len(places))
            return super().query_ball_point(places, *rest, **options)

    monkeypatch.setattr(dtu_protocol, "KDTree", Counting)
    monkeypatch.setattr(dtu_protocol, "_AT_ONCE", 100)
    np.testing.assert_array_equal(thinned(points, 0.2, np.random.default_rng(1)), whole)
    assert len(asked) == 20
    assert max(asked) <= 100
    assert sum(asked) < len(points) / 2


def _scan_of_a_small_mask(folder):
    """A camera that looks along z, and a mask of the middle of its picture."""
    k = np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
    pose = np.column_stack([np.eye(3), [0, 0, 4]])
    scale, world = np.diag([10.0, 10, 10, 1]), np.eye(4)
    world[:3] = k @ pose @ np.linalg.inv(scale)
    np.savez(folder / "cameras.npz", world_mat_0=world, scale_mat_0=scale)
    (folder / "mask").mkdir()
    mask = np.zeros((100, 100), np.uint8)
    mask[48:52, 48:52] = 255
    Image.fromarray(mask).save(folder / "mask" / "000.png")


def test_culling_keeps_what_masks_show_and_scales(tmp_path):
    _scan_of_a_small_mask(tmp_path)
    vertices = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [1.6, 0, 0], [1.7, 0, 0], [1.6, 0.1, 0]], float)
    found = culled(Solid("m", vertices, np.array([[0, 1, 2], [3, 4, 5]])), tmp_path)
    assert found.faces.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(found.vertices[1], (1, 0, 0))


def test_masks_that_leave_triangles_without_area_leave_nothing(reference, tmp_path, capsys):
    scan = tmp_path / "scan"
    scan.mkdir()
    _scan_of_a_small_mask(scan)
    vertices = np.array(
        [[0, 0, 0], [0.05, 0, 0], [0.1, 0, 0], [1.6, 0, 0], [1.7, 0, 0], [1.6, 0.1, 0]], float
    )
    mesh = trimesh.Trimesh(vertices, [[0, 1, 2], [3, 4, 5]], process=False)
    mesh.export(tmp_path / "mesh.ply")
    code, told = _evaluated(capsys, tmp_path / "mesh.ply", reference, "--scan-folder", str(scan))
    assert (code, told["error"]["code"]) == (3, "mesh_damaged")
    assert "inside the masks" in told["error"]["message"]


def test_a_mesh_in_other_units_is_refused_before_it_fills_the_memory(reference, tmp_path, capsys):
    trimesh.Trimesh(1e4 * np.eye(3), [[0, 1, 2]]).export(tmp_path / "mesh.ply")
    code, answer = _evaluated(capsys, tmp_path / "mesh.ply", reference)
    assert (code, answer["error"]["code"]) == (3, "mesh_elsewhere")
    assert "square metres" in answer["error"]["message"]


def test_a_mask_of_another_size_is_named(tmp_path):
    _scan_of_a_small_mask(tmp_path)
    with np.load(tmp_path / "cameras.npz") as one:
        more = {f"{name[:-1]}1": one[name] for name in one.files}
        np.savez(tmp_path / "cameras.npz", **{name: one[name] for name in one.files}, **more)
    Image.new("L", (50, 50), 255).save(tmp_path / "mask" / "001.png")
    with pytest.raises(BadInputError, match=r"001\.png has another size"):
        culled(Solid("m", np.eye(3), np.array([[0, 1, 2]])), tmp_path)
