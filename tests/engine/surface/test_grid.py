"""The grid: better than the hull, whole, with the wrong view named; checkpoints; the command."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError, CancelledError, RefusedError
from teethscape.mesh.ply import read_ply
from teethscape.progress import NoProgress
from teethscape.surface import session as session_module
from teethscape.surface.believe import believed
from teethscape.surface.faults import check_masks, odd_view
from teethscape.surface.grid.looks import prepared
from teethscape.surface.grid.reconstruct import LEVELS, solve_grid
from teethscape.surface.mesh.paint import agreement
from teethscape.surface.rough import compared_views
from teethscape.surface.session import Session, fingerprint
from teethscape.surface.start import footprint, hull_box, hull_field
from teethscape.surface.tangents import compared_borders, with_moved_borders

from .scene import FRAME, SCALE, arch_mesh, distance_mm, ragged, resized, views_of

STEPS = sum(level.steps for level in LEVELS)


class Listener(NoProgress):
    """Remembers warnings; cancels at a given report."""

    def __init__(self, cancel_at=None):
        self.warnings, self.reports, self.cancel_at = [], 0, cancel_at

    def warn(self, code, message):
        self.warnings.append((code, message))

    def check_cancelled(self):
        self.reports += 1
        if self.cancel_at is not None and self.reports >= self.cancel_at:
            raise CancelledError


@pytest.fixture(scope="module")
def mesh():
    return arch_mesh()


@pytest.fixture(scope="module")
def views(mesh):
    return views_of(*mesh, size=96)


def _start(views):
    box = hull_box(views, SCALE)
    return lambda some, pitch: hull_field(some, SCALE, box, pitch)


def _solve(views, folder, listener=None):
    session = Session(listener or Listener(), folder / "mesh.ply", None, FRAME)
    return solve_grid(views, SCALE, _start(views), session, fingerprint(views))


def _upper_part(vertices):
    """What the views from above show of ellipsoids: their upper halves."""
    return vertices[vertices[:, 2] > 0.03] * SCALE


@pytest.mark.slow
def test_the_grid_is_within_a_third_of_a_pixel_and_better_than_the_hull(mesh, views, tmp_path):
    found = _solve(views, tmp_path)
    seen, pixel = _upper_part(mesh[0]), footprint(views, SCALE)
    error = np.abs(found.at(seen)).mean()
    hull = np.abs(_start(views)(views, pixel).at(seen)).mean()
    assert error < pixel / 3
    assert error < hull / 2
    agree = agreement([prepared(views, k, SCALE) for k in range(8)], *found.surface())
    assert (agree.covered > 0.97).all()
    assert (agree.angle_deg < 12).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_ragged_borders_of_masks_do_little_harm(mesh, tmp_path, seed):
    spoilt = ragged(views_of(*mesh, size=144), seed)
    moved = with_moved_borders(spoilt, compared_borders(spoilt))
    seen, pixel = _upper_part(mesh[0]), footprint(moved, SCALE)
    error = np.abs(_solve(moved, tmp_path).at(seen)).mean()
    hull = np.abs(_start(moved)(moved, pixel).at(seen)).mean()
    assert error < pixel / 8
    assert error < hull / 8


@pytest.mark.slow
def test_good_masks_blame_nobody(views):
    check = check_masks(views)
    assert check.culprit is None
    assert (check.covered > 0.98).all()


@pytest.mark.slow
def test_a_view_with_a_shifted_mask_is_named_and_left_out(views):
    masks = views.foreground.copy()
    masks[3] = np.roll(masks[3], 14, axis=1)
    listener = Listener()
    kept, dropped = believed(replace(views, foreground=masks), listener)
    assert dropped == ("view 11",)
    assert len(kept) == 7
    assert "view 11" in listener.warnings[0][1]


@pytest.mark.slow
def test_a_view_with_wrong_normals_is_named_and_does_no_harm(mesh, views, tmp_path):
    normals = views.normals.copy()
    normals[5] = normals[5][..., [1, 2, 0]]
    listener = Listener()
    kept = compared_views(replace(views, normals=normals), tmp_path / "mesh.ply", FRAME, listener).views
    assert len(kept) == 7
    assert "view 13" in listener.warnings[0][1]
    error = np.abs(_solve(kept, tmp_path).at(_upper_part(mesh[0]))).mean()
    assert error < footprint(views, SCALE) / 2


@pytest.mark.slow
def test_masks_a_little_too_large_or_too_small_blame_nobody(views):
    listener = Listener()
    kept, dropped = believed(resized(views, np.array([2.0, -2, -2, 1, -3, 1, 0, 2])), listener)
    assert dropped == ()
    assert len(kept) == 8
    assert listener.warnings == []


@pytest.mark.slow
def test_an_empty_mask_is_named_and_left_out(views):
    masks, listener = views.foreground.copy(), Listener()
    masks[2] = 0
    kept, dropped = believed(replace(views, foreground=masks), listener)
    assert dropped == ("view 10",)
    assert len(kept) == 7
    assert listener.warnings == [("view_odd", "The mask of view 10 is empty; it is left out.")]


def test_views_of_which_half_show_nothing_are_refused_by_name(views):
    masks = views.foreground.copy()
    masks[2:6] = 0
    with pytest.raises(RefusedError, match="empty: view 10, view 11, view 12, view 13") as refused:
        believed(replace(views, foreground=masks), Listener())
    assert refused.value.code == "view_empty"


@pytest.mark.slow
def test_masks_that_fill_their_pictures_are_named(views):
    masks, listener = views.foreground.copy(), Listener()
    masks[[1, 4, 6]] = 1
    assert believed(replace(views, foreground=masks), listener)[1] == ("view 9", "view 12", "view 14")
    assert [code for code, _ in listener.warnings] == 3 * ["view_odd"]


@pytest.mark.parametrize("count", [4, 7])  # all eight: opaque photos, which `_refuse_opaque` judges
def test_views_of_which_half_have_no_background_are_refused(views, count):
    masks = views.foreground.copy()
    masks[:count] = 1
    with pytest.raises(BadInputError) as refused:
        believed(replace(views, foreground=masks), Listener())
    assert refused.value.code == "opacity_missing"


@pytest.mark.slow
def test_masks_of_the_other_jaw_are_refused(mesh):
    views = views_of(*mesh, size=64)
    wrong = replace(views, cam2world=views_of(*mesh, size=64, jaw=Jaw.UPPER).cam2world, foreground=np.stack(
        [np.roll(m, (9 * k, -7 * k), axis=(0, 1)) for k, m in enumerate(views.foreground)]
    ))  # fmt: skip
    with pytest.raises(RefusedError):
        believed(wrong, Listener())


def test_one_error_stands_out_or_none_does():
    assert odd_view(np.array([5.0, 6, 5, 40, 6])) == 3
    assert odd_view(np.array([5.0, 6, 5, 12, 6])) is None
    assert odd_view(np.array([25.0, 26, 25, 40, 26])) is None


def test_views_without_normals_neither_stand_out_nor_hide_the_one_that_does():
    assert odd_view(np.array([5.0, np.nan, 5, 40, 6])) == 3
    assert odd_view(np.array([5.0, np.nan, 5, 6, 6])) is None
    assert odd_view(np.array([5.0, np.nan, np.nan, 40, 6])) is None


@pytest.mark.slow
def test_a_cancelled_run_continues_where_it_was(views, tmp_path):
    whole = _solve(views, tmp_path / "a")
    with pytest.raises(CancelledError):
        _solve(views, tmp_path / "b", Listener(cancel_at=7))
    assert (tmp_path / "b" / "mesh.checkpoint").is_file()
    listener = Listener()
    again = _solve(views, tmp_path / "b", listener)
    assert listener.reports < STEPS
    np.testing.assert_allclose(again.values, whole.values, atol=1e-5)  # mm


@pytest.mark.slow
def test_a_checkpoint_of_other_views_is_not_used(views, tmp_path):
    with pytest.raises(CancelledError):
        _solve(views, tmp_path, Listener(cancel_at=7))
    listener = Listener()
    _solve(views.subset(range(7)), tmp_path, listener)
    assert listener.reports == STEPS


def test_the_preview_stands_where_the_mesh_will(views, tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "_PREVIEW_S", 0.0)
    field = _start(views)(views, 3 * footprint(views, SCALE))
    Session(Listener(), tmp_path / "mesh.ply", None, FRAME).show(lambda: field)
    solid, _ = read_ply(tmp_path / "mesh.preview.ply")
    np.testing.assert_allclose(solid.vertices, FRAME.to_ours(field.surface()[0]), atol=1e-4)


def test_the_preview_is_coarse_enough_for_blender(views, tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "_PREVIEW_S", 0.0)
    session = Session(Listener(cancel_at=2), tmp_path / "mesh.ply", None, FRAME)
    with pytest.raises(CancelledError):
        solve_grid(views, SCALE, _start(views), session, "key")
    solid, _ = read_ply(session.preview)
    pixel = footprint(views, SCALE)
    vertices, faces = _start(views)(views, LEVELS[-1].pitch * pixel).surface()
    assert 0 < len(solid.faces) < len(faces) / 10
    sizes = [np.ptp(each, axis=0) for each in (solid.vertices, FRAME.to_ours(vertices))]
    np.testing.assert_allclose(*sizes, atol=8 * pixel)


def test_the_scene_is_what_it_should_be(mesh, views):
    points = _start(views)(views, footprint(views, SCALE)).surface()[0]
    assert distance_mm(points, mesh[0]).max() < 12
