"""Distances to masks, the same wherever a picture lies in memory; and which view empties the hull."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.errors import RefusedError
from teethscape.progress import NoProgress
from teethscape.surface import make
from teethscape.surface.believe import refuse_lost
from teethscape.surface.grid.field import GridField
from teethscape.surface.hull import mask_distances
from teethscape.surface.job import Found
from teethscape.surface.request import SurfaceRequest
from teethscape.surface.rough import ComparedViews
from teethscape.surface.start import hull_box
from teethscape.surface.tangents import Borders

from .scene import SCALE, arch_mesh, views_of


def test_the_border_runs_half_a_pixel_outside_the_outermost_pixels():
    mask = np.zeros((9, 9), np.float32)
    mask[3:6, 3:6] = 1
    distance = mask_distances(mask)
    assert distance[4].tolist() == [3 - 0.5, 2 - 0.5, 0.5, -0.5, -1.5, -0.5, 0.5, 2 - 0.5, 3 - 0.5]
    assert distance[0, 0] == np.float32(3 * np.sqrt(2) - 0.5)


def test_full_and_empty_masks_are_far_from_any_border():
    full = mask_distances(np.ones((3, 4), np.float32))
    assert (full == -4.5).all()
    assert (mask_distances(np.zeros((3, 4), np.float32)) == 4.5).all()


def test_distances_do_not_depend_on_the_place_in_memory():
    rows, columns = np.mgrid[:96, :96]
    mask = ((rows - 50) ** 2 / 900 + (columns - 40) ** 2 / 400 < 1).astype(np.float32)
    first = mask_distances(mask)
    held = []
    for size in range(1, 400, 7):  # changes where the next pictures come to lie
        held.append(np.empty(size * 61, np.uint8))
        np.testing.assert_array_equal(mask_distances(mask.copy()), first)


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=64)


def _elsewhere(views, *numbers):
    """The views with a spot in the corner as the masks of some."""
    masks = views.foreground.copy()
    masks[list(numbers)] = 0
    masks[list(numbers), 1:7, 1:7] = 1
    return replace(views, foreground=masks)


@pytest.mark.parametrize(
    ("wrong", "few", "words", "advised"),
    [
        ((3,), 8, "without view 11 there is one", True),
        ((0,), 2, "without view 8 or without view 9 there is one", True),
        ((1, 3), 8, "no single view is at fault", False),
    ],
    ids=["one", "one of two", "several"],
)
def test_masks_without_a_common_body_are_refused_with_the_view_at_fault(views, wrong, few, words, advised):
    with pytest.raises(RefusedError) as refused:
        hull_box(_elsewhere(views.subset(range(few)), *wrong), SCALE)
    assert refused.value.code == "surface_empty"
    assert words in refused.value.message
    assert ("--leave-out" in refused.value.advice) == advised


def test_a_lost_surface_is_refused_with_the_view_that_fits_least(views):
    refuse_lost(views, is_empty=False)
    with pytest.raises(RefusedError) as refused:
        refuse_lost(views, is_empty=True)
    assert "room" in refused.value.message
    assert "view" not in refused.value.message
    masks = views.foreground.copy()
    masks[2, 1:20, 1:20] = 1
    with pytest.raises(RefusedError, match="of view 10 the masks of all cover only") as refused:
        refuse_lost(replace(views, foreground=masks), is_empty=True)
    assert "--leave-out" in refused.value.advice


@pytest.fixture
def found(views, tmp_path, monkeypatch):
    """Makes a surface by a method that finds the field that is given."""

    def run(field):
        monkeypatch.setattr(make, "read_views", lambda request: views)
        compared = ComparedViews(views, Borders(np.zeros(8), 0.0), None)
        monkeypatch.setattr(make, "compared_views", lambda *_: compared)
        monkeypatch.setattr(make, "_method", lambda name: lambda job: Found(field))
        make.make_surface(SurfaceRequest(tmp_path, tmp_path / "m.ply", extent_mm=SCALE), NoProgress())

    return run


def test_a_method_that_finds_nothing_is_refused_before_any_mesh(found, tmp_path):
    with pytest.raises(RefusedError, match="the method has found no place inside, though the masks"):
        found(GridField(np.ones((5, 5, 5), np.float32), np.zeros(3), 1.0))
    assert not list(tmp_path.iterdir())


def test_a_ball_around_everything_is_refused(found, tmp_path):
    """NeuS without normals begins as one: it covers every mask."""
    places = np.stack(np.meshgrid(*[np.linspace(-32, 32, 33)] * 3, indexing="ij"), axis=-1)
    ball = (np.linalg.norm(places, axis=-1) - 30).astype(np.float32)
    with pytest.raises(RefusedError, match=r"reaches far beyond what the views show: in view \d+") as refused:
        found(GridField(ball, np.full(3, -32.0), 2.0))
    assert refused.value.code == "surface_unlike"
    assert not list(tmp_path.iterdir())
