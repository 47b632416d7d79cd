"""Fitted arches laid into painted views, and surfaces brought back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from teethscape.anchor.back import in_patient, write_in_patient
from teethscape.anchor.cameras import FIRST, cameras_in_mm, start_of
from teethscape.anchor.jaw import fitted_jaw
from teethscape.anchor.lay import laid
from teethscape.anchor.painted import painted_views
from teethscape.anchor.report import report_path
from teethscape.dataset.published_views import FILE_TO_WORLD, target_cameras
from teethscape.dataset.scans.normalise import WORLD_TO_FILE, cube_of
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.errors import BadInputError
from teethscape.mesh.align import Similarity
from teethscape.mesh.ply import read_ply
from teethscape.mesh.solid import Solid, joined
from teethscape.parametric.rotation import rotation_matrix

from .conftest import JAW, SIZE
from .paint import Brush, fitted, misfitted, tiles, truth_of


def _points(crowns, jaw=JAW):
    return np.concatenate([crown.vertices for fdi, crown in crowns.items() if jaw_of(fdi) is jaw])


def _elsewhere(crowns):
    """A painter who lays the jaw 3 degrees, 2 mm and 4 % away from where it belongs."""
    usual, pivot = truth_of(crowns), _points(crowns).mean(axis=0)
    turn, grow, shift = rotation_matrix(np.deg2rad([1.5, -2.0, 1.5])), 1.04, np.array([1.0, -1.5, 0.8])
    offset = usual.scale * usual.rotation @ (pivot + shift - grow * turn @ pivot) + usual.shift
    return Similarity(usual.scale * grow, usual.rotation @ turn, offset)


def _error(found, true, points):
    """(n,) mm by which points come back wrong."""
    return np.linalg.norm(found.back(true.points(points)) - points, axis=1)


def test_the_start_is_what_the_renderer_of_training_data_does(crowns, exact):
    solids = {j: Solid(j.value, _points(crowns, j), np.zeros((0, 3), int)) for j in Jaw}
    cube, points = cube_of(solids), _points(crowns)
    rendered = (points @ WORLD_TO_FILE.T - cube.centre) * cube.scale @ FILE_TO_WORLD.T
    np.testing.assert_allclose(start_of(exact).points(points), rendered, atol=1e-12)


def test_cameras_in_mm_see_what_the_published_ones_see(crowns, exact):
    points, place = _points(crowns)[::50], _elsewhere(crowns)
    published = target_cameras(JAW, 256)
    for k, camera in enumerate(cameras_in_mm(JAW, 256, place)):
        pose = published.poses[FIRST + k]
        local = place.points(points) @ pose[:, :3].T + pose[:, 3]
        pixels = local @ published.intrinsics.astype(float).T
        np.testing.assert_allclose(camera.project(points) + 0.5, pixels[:, :2] / pixels[:, 2:], atol=1e-9)


def test_normals_and_foreground_are_read_as_they_were_painted(exact, painted):
    from teethscape.anchor.agreement import agreement_of
    from teethscape.anchor.drawn import drawn_view

    cameras = cameras_in_mm(JAW, SIZE, start_of(exact))
    for camera, view in zip(cameras, painted_views(painted, JAW), strict=True):
        found = agreement_of(drawn_view(exact, camera), view)
        assert found.overlap > 0.94
        assert found.outline_px < 0.35
        assert found.normals_deg < 2.5


@pytest.mark.slow
def test_a_jaw_painted_elsewhere_is_found(crowns, exact):
    place = _elsewhere(crowns)
    views = painted_views(tiles(crowns, JAW, place, Brush(size=SIZE)), JAW)
    assert _error(start_of(exact), place, _points(crowns)).mean() > 2
    assert _error(laid(exact, views, start_of(exact)), place, _points(crowns)).max() < 0.12


@pytest.mark.slow
@pytest.mark.parametrize("jaw", list(Jaw))
def test_wrong_views_and_a_rough_fit_hardly_move_it(crowns, jaw):
    place, rng = _elsewhere(crowns), np.random.default_rng(3)
    parts = tiles(crowns, jaw, place, Brush(noise=8))
    for tile in (2, 10):
        parts[tile] = parts[tile][:, ::-1].copy()
    for tile in (5, 13):
        parts[tile] = np.rot90(parts[tile]).copy()
    views, points = painted_views(parts, jaw), _points(crowns, jaw)
    exact = fitted_jaw(fitted(crowns), jaw)
    assert _error(laid(exact, views, start_of(exact)), place, points).max() < 0.12
    rough = fitted_jaw(fitted(misfitted(crowns, rng, 0.3)), jaw)
    assert _error(laid(rough, views, start_of(rough)), place, points).mean() < 0.4


def test_a_surface_comes_back_to_where_its_teeth_are(crowns):
    """The known jaw after a known similarity is in its place again, both ways written to a file and not."""
    place = _elsewhere(crowns)
    solids = [Solid(str(c.fdi), place.points(c.vertices), c.faces) for c in crowns.values() if c.jaw is JAW]
    back = in_patient(joined(solids, "jaw"), place)
    assert np.abs(back.vertices - _points(crowns)).max() < 1e-9
    assert np.linalg.det(place.rotation) == pytest.approx(1)


def test_a_mesh_file_comes_back_in_mm(crowns, tmp_path, finished_case):
    import trimesh

    place, strip = _elsewhere(crowns), tmp_path / "p_upper.png"
    values = {"scale": place.scale, "rotation": place.rotation.tolist(), "shift": place.shift.tolist()}
    crown = crowns[16]
    trimesh.Trimesh(place.points(crown.vertices), crown.faces, process=False).export(tmp_path / "in.ply")
    with pytest.raises(BadInputError, match="does not tell where"):
        write_in_patient(tmp_path / "in.ply", strip, finished_case, tmp_path / "out.ply")
    report_path(strip).write_text(json.dumps({"place": values}))
    write_in_patient(tmp_path / "in.ply", strip, finished_case, tmp_path / "out.ply")
    solid, _ = read_ply(tmp_path / "out.ply")
    from scipy.spatial import KDTree

    assert KDTree(solid.vertices).query(crown.vertices)[0].max() < 0.02
    head = (tmp_path / "out.ply").read_bytes()[:800].decode("ascii", "replace")
    assert "comment unit mm" in head
    assert "scale_relative_sigma 0.02" in head


def test_the_frame_of_a_surface_is_the_comparisons(crowns):
    """A surface method works in mm in the views' axes; its frame goes back to the patient all the same."""
    from teethscape.dental.units import ScaleRecord, ScaleSource
    from teethscape.surface.frame import anchored_frame

    place = _elsewhere(crowns)
    solids = {fdi: Solid(str(fdi), crown.vertices, crown.faces) for fdi, crown in crowns.items()}
    frame = anchored_frame(place, solids, ScaleRecord(ScaleSource.ESTIMATED, 0.02), JAW)
    points = _points(crowns)
    views_mm = place.points(points) * frame.scale
    np.testing.assert_allclose(frame.to_ours(views_mm), points, atol=1e-9)
    np.testing.assert_allclose(frame.to_views(points), views_mm, atol=1e-9)
    assert frame.arch is not None
    assert set(frame.arch.teeth) == {fdi for fdi in crowns if jaw_of(fdi) is JAW}
    np.testing.assert_allclose(frame.arch.teeth[16].vertices, place.points(crowns[16].vertices) * frame.scale)
