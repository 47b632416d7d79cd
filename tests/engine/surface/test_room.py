"""Memory of a grid: slabs instead of all nodes, no more nodes than there is room for, smaller views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.mesh.solid import Solid
from teethscape.progress import NoProgress
from teethscape.surface import start
from teethscape.surface.grid import field as field_module
from teethscape.surface.grid import reconstruct, room
from teethscape.surface.grid.field import GridField
from teethscape.surface.grid.reconstruct import Level, rough_field, solve_grid
from teethscape.surface.grid.room import roomy, shrunk
from teethscape.surface.hull import hull_distance
from teethscape.surface.mesh.sampling import by_slabs
from teethscape.surface.mesh.teeth import KnownArch
from teethscape.surface.session import Session
from teethscape.surface.start import arch_field, footprint, hull_box, hull_field, node_count, roomy_pitch
from teethscape.surface.tangents import WHOLE_PX

from .scene import FRAME, SCALE, arch_mesh, views_of


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=96)


@pytest.fixture
def asked(monkeypatch):
    """How many points the hull is asked for at once, in slabs of two thousand."""
    sizes, made = [], start.hull_mm
    monkeypatch.setattr(field_module, "_SLAB", 2000)

    def counted(views, scale):
        hull = made(views, scale)
        return lambda points: sizes.append(len(points)) or hull(points)

    monkeypatch.setattr(start, "hull_mm", counted)
    monkeypatch.setattr(reconstruct, "hull_mm", counted)
    return sizes


def _start(views):
    box = hull_box(views, SCALE)
    return lambda some, pitch: hull_field(some, SCALE, box, pitch)


@pytest.mark.parametrize("most", [1, 24, 50, 10**6])
def test_slabs_are_the_whole(most):
    axes = [np.linspace(0, 1, n) for n in (7, 4, 6)]
    sizes = []

    def function(points):
        sizes.append(len(points))
        return points @ [1.0, 10.0, 100.0]

    x, y, z = np.meshgrid(*axes, indexing="ij")
    found = by_slabs(function, axes, most)
    np.testing.assert_array_equal(found, (x + 10 * y + 100 * z).astype(np.float32))
    assert max(sizes) <= max(most, 24)
    assert sum(sizes) == 7 * 24


def test_a_grid_asks_in_slabs_and_gets_the_same_numbers(views, asked):
    grid = GridField(np.zeros((23, 19, 17), np.float32), np.array([-9.0, -7.0, -2.0]), 0.7)
    found = grid.evaluated(lambda points: hull_distance(views, points / SCALE) * SCALE)
    every = hull_distance(views, grid.nodes() / SCALE) * SCALE
    np.testing.assert_array_equal(found.ravel(), every)
    hull_field(views, SCALE, hull_box(views, SCALE), 2 * footprint(views, SCALE))
    assert max(asked) <= 49 * 49  # a slice of the first look at the hull has more than such a slab


def test_no_resolution_asks_for_all_nodes_at_once(views, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(reconstruct, "LEVELS", (Level(2.0, 0), Level(1.0, 0)))
    session = Session(NoProgress(), tmp_path / "mesh.ply", None, FRAME)
    found = solve_grid(views, SCALE, _start(views), session, "key")
    assert found.values.size > 20 * max(asked)


@pytest.mark.parametrize("extent", [(60.0, 50.0, 20.0), (60.0, 60.0, 60.0), (1.0, 1.0, 300.0)])
def test_a_pitch_grows_only_where_nodes_are_too_many_and_no_more_than_it_must(extent):
    box = np.array(extent)
    assert roomy_pitch(2.0, box, 40_000_000) == 2.0
    pitch = roomy_pitch(0.02, box, 1_000_000)
    assert 900_000 < node_count(box, pitch) <= 1_000_000


def test_starts_have_no_more_nodes_than_there_is_room_for(views, monkeypatch):
    monkeypatch.setattr(start, "MOST_NODES", 20_000)
    box, fine = hull_box(views, SCALE), footprint(views, SCALE) / 3
    crowns = {fdi: arch_mesh((place,)) for fdi, place in {37: (-0.22, 0.0), 47: (0.22, 0.0)}.items()}
    arch = KnownArch({fdi: Solid(f"FDI_{fdi}", v * SCALE, f) for fdi, (v, f) in crowns.items()})
    for found in (hull_field(views, SCALE, box, fine), arch_field(views, SCALE, arch, fine)):
        assert 15_000 < found.values.size <= 20_000
        assert found.pitch > fine
        assert (found.values < 0).any()


def test_views_that_fit_are_left_as_they_are(views):
    assert roomy(views, SCALE, lambda *_: pytest.fail("nothing to look at"), 1.0) is views


@pytest.mark.parametrize("limit", ["nodes", "pixels"])
def test_views_that_need_too_much_are_shrunk_no_more_than_they_must(views, monkeypatch, limit):
    begin = _start(views)
    whole = begin(views, footprint(views, SCALE)).values.size
    pixels = (views.foreground > 0.5).sum()
    if limit == "nodes":
        monkeypatch.setattr(room, "MOST_NODES", whole // 8)
    else:
        monkeypatch.setattr(room, "MOST_PIXELS", pixels // 4)
    small = roomy(views, SCALE, begin, 1.0)
    assert 44 <= small.size[0] <= 48
    if limit == "nodes":
        assert begin(small, footprint(small, SCALE)).values.size <= whole / 8 * 1.05
    else:
        assert (small.foreground > 0.5).sum() <= pixels / 4 * 1.02


@pytest.mark.parametrize(("rows", "columns"), [(96, 96), (90, 96), (54, 96)])
def test_smaller_views_show_the_same(views, rows, columns):
    cut = replace(
        views,
        colours=views.colours[:, :rows, :columns],
        colour_mask=views.colour_mask[:, :rows, :columns],
        foreground=views.foreground[:, :rows, :columns],
        normals=views.normals[:, :rows, :columns],
        border_px=1.0,
    )
    small = shrunk(cut, 1.9)
    share = small.size[1] / columns
    assert share <= 1 / 1.9
    assert small.size[0] / rows == pytest.approx(share, rel=0.01)
    points = arch_mesh()[0][::50]
    for view in range(len(cut)):
        np.testing.assert_allclose(
            small.project(view, points)[0], cut.project(view, points)[0] * share, rtol=0.01
        )
    assert footprint(small, SCALE) == pytest.approx(footprint(cut, SCALE) / share)
    covered = (small.foreground > 0.5).mean(axis=(1, 2))
    np.testing.assert_allclose(covered, (cut.foreground > 0.5).mean(axis=(1, 2)), atol=0.02)
    length = np.linalg.norm(small.normals, axis=-1)
    assert (np.isclose(length, 1, atol=1e-5) | (length == 0)).all()
    assert (length[small.foreground > 0.5] > 0).mean() > 0.97
    assert small.border_px**2 - WHOLE_PX**2 == pytest.approx(share**2 * (1 - WHOLE_PX**2))


def test_resolutions_of_shrunk_views_keep_their_ratios(views, tmp_path, monkeypatch):
    monkeypatch.setattr(reconstruct, "LEVELS", (Level(2.0, 0), Level(1.0, 0)))
    begin, pitches = _start(views), []

    def watched(some, pitch):
        pitches.append(pitch)
        return begin(some, pitch)

    whole = begin(views, footprint(views, SCALE)).values.size
    monkeypatch.setattr(room, "MOST_NODES", whole // 6)
    session = Session(NoProgress(), tmp_path / "mesh.ply", None, FRAME)
    found = solve_grid(views, SCALE, watched, session, "key")
    assert found.values.size <= whole / 6 * 1.05
    assert found.pitch > 1.7 * footprint(views, SCALE)
    assert pitches[-1] == pytest.approx(2 * found.pitch)


def test_the_rough_surface_is_compared_in_the_pixels_that_it_was_made_of(views, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MOST_PIXELS", (views.foreground > 0.5).sum() // 4)
    monkeypatch.setattr(reconstruct, "_ROUGH", (Level(2.0, 1),))
    session = Session(NoProgress(), tmp_path / "mesh.ply", None, FRAME)
    looks, found = rough_field(replace(views, border_px=1.5), SCALE, _start(views), session)
    assert 44 <= looks[0].mask.shape[0] <= 48
    assert found.pitch == pytest.approx(2 * footprint(views, SCALE) * 96 / looks[0].mask.shape[0])
    assert looks[0].wander == pytest.approx(np.sqrt(1.5**2 - WHOLE_PX**2))
