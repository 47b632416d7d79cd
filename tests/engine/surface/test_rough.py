"""A rough surface names the view whose normals contradict the others, and tells what masks share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dental.request import Device
from teethscape.dental.wishes import Preset, SurfaceMethod
from teethscape.errors import RefusedError
from teethscape.progress import NoProgress, SurfaceStage
from teethscape.surface import make
from teethscape.surface.grid import room
from teethscape.surface.request import SurfaceRequest
from teethscape.surface.rough import compared_views

from .scene import FRAME, arch_mesh, ragged, resized, views_of

#: Changes of masks, px: of all alike, of half of them, of most.
CHANGES = [8 * [-2.0], 8 * [2.0], 2 * [-2.0, -1, 0, 0], 2 * [0.0, 0, 1, 2], [2.0, -1, -1, -2, 0, 0, -2, -2]]


class Listener(NoProgress):
    """Remembers warnings and stages."""

    def __init__(self):
        self.warnings, self.stages = [], []

    def stage(self, name, fraction, message=""):
        self.stages.append((name, fraction))

    def warn(self, code, message):
        self.warnings.append((code, message))


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=64)


def _made(views, folder, monkeypatch, method):
    """The report of a surface that has no time to train, and what was told."""
    if method is not SurfaceMethod.GRID:
        pytest.importorskip("torch", reason="needs PyTorch")
    monkeypatch.setattr(make, "read_views", lambda request: views)
    request = SurfaceRequest(
        folder, folder / "m.ply", method, Preset.SMALL, extent_mm=60.0, budget_s=0.0, device=Device.CPU
    )
    listener = Listener()
    return make.make_surface(request, listener), listener


@pytest.mark.slow
@pytest.mark.parametrize("method", list(SurfaceMethod))
def test_a_view_with_inverted_normals_is_named_and_left_out(views, tmp_path, monkeypatch, method):
    normals = views.normals.copy()
    normals[3] *= -1
    report, listener = _made(replace(views, normals=normals), tmp_path, monkeypatch, method)
    assert report["views_left_out"] == ["view 11"]
    assert "view 11" not in report["views"]
    assert listener.warnings == [("view_odd", "view 11 contradicts the others and is left out.")]
    fractions = [fraction for name, fraction in listener.stages if name is SurfaceStage.VIEWS]
    assert fractions == sorted(fractions)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.17])
def test_right_normals_blame_no_view(views, tmp_path, monkeypatch, noise):
    off = noise * np.random.default_rng(0).standard_normal(views.normals.shape)
    normals = views.normals + off * views.foreground[..., None]
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    noisy = replace(views, normals=normals.astype(np.float32))
    report, listener = _made(noisy, tmp_path, monkeypatch, SurfaceMethod.NEUS)
    assert report["views_left_out"] == []
    assert "view_odd" not in dict(listener.warnings)
    assert len(report["views"]) == 8


@pytest.mark.slow
def test_views_without_normals_are_all_kept(views, tmp_path, monkeypatch):
    report, _ = _made(replace(views, normals=None), tmp_path, monkeypatch, SurfaceMethod.NEUS)
    assert report["views_left_out"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "preset", "at_it"),
    [
        (SurfaceMethod.NEUS, Preset.SMALL, True),
        (SurfaceMethod.GSPULL, Preset.TEETH, True),
        (SurfaceMethod.NEUS, Preset.UPSTREAM, False),
        (SurfaceMethod.GRID, None, False),
    ],
)
def test_our_networks_begin_at_the_rough_surface(views, tmp_path, method, preset, at_it):
    """It follows the normals into what the hull fills."""
    found = compared_views(views, tmp_path / "m.ply", FRAME, NoProgress())
    request = SurfaceRequest(tmp_path, tmp_path / "m.ply", method, preset)
    pitch = found.surface.pitch / 2
    begun = make._start(request, found, views, FRAME)(views, pitch)
    assert begun.pitch == pitch
    points, _ = found.surface.surface()
    off = float(np.abs(begun.at(points)).mean())
    assert (off < 0.02) if at_it else (off > 0.2)


@pytest.mark.slow
def test_what_large_views_share_is_told_in_their_own_pixels(tmp_path, monkeypatch):
    large = resized(views_of(*arch_mesh(), size=384), np.full(8, -4.0))
    monkeypatch.setattr(room, "MOST_PIXELS", int(large.foreground.sum() / 4))
    found = compared_views(large, tmp_path / "m.ply", FRAME, NoProgress())
    np.testing.assert_allclose(found.borders.shifts, 4.0, atol=1.2)


@pytest.fixture(scope="module")
def fine_views():
    return views_of(*arch_mesh(), size=192)


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_what_masks_share_is_told(fine_views, tmp_path, change):
    spoilt = resized(fine_views, np.array(change))
    found = compared_views(spoilt, tmp_path / "m.ply", FRAME, NoProgress())
    assert len(found.views) == 8
    np.testing.assert_allclose(found.borders.shifts, -np.array(change), atol=0.75)


@pytest.mark.slow
def test_right_and_ragged_masks_are_not_thought_to_share_anything(fine_views, tmp_path):
    for views in (fine_views, ragged(fine_views)):
        found = compared_views(views, tmp_path / "m.ply", FRAME, NoProgress())
        assert not found.borders.moves.any()


@pytest.mark.slow
@pytest.mark.parametrize("keep", [[0], [0, 2], [0, 1, 2], [4, 5, 6, 7]])
def test_few_views_do_not_tell_what_masks_share(views, tmp_path, keep):
    found = compared_views(views.subset(keep), tmp_path / "m.ply", FRAME, NoProgress())
    assert len(found.views) == len(keep)
    assert not found.borders.moves.any()


@pytest.mark.slow
def test_the_view_at_fault_does_not_tell_about_masks(fine_views, tmp_path):
    normals = fine_views.normals.copy()
    normals[3] *= -1
    found = compared_views(replace(fine_views, normals=normals), tmp_path / "m.ply", FRAME, NoProgress())
    assert found.views.names == tuple(name for name in fine_views.names if name != "view 11")
    assert len(found.borders.shifts) == 7
    assert not found.borders.moves.any()


@pytest.mark.parametrize("turn", [-1.0, (1.0, 1.0, -1.0)], ids=["inverted", "depth turned round"])
def test_normals_that_no_surface_has_are_refused(views, tmp_path, turn):
    local = np.einsum("vij,vhwi->vhwj", views.cam2world[:, :, :3], views.normals) * np.array(turn)
    wrong = np.einsum("vij,vhwj->vhwi", views.cam2world[:, :, :3], local).astype(np.float32)
    with pytest.raises(RefusedError) as refused:
        compared_views(replace(views, normals=wrong), tmp_path / "m.ply", FRAME, NoProgress())
    assert refused.value.code == "views_contradict"
    assert "normals" in refused.value.message
