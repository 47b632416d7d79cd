"""Webs between teeth: where pictures are hollow and normals far off, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.progress import NoProgress
from teethscape.surface.grid import reconstruct
from teethscape.surface.grid.looks import prepared
from teethscape.surface.grid.reconstruct import LEVELS, rough_field, solve_grid
from teethscape.surface.grid.webs import hollowness, opened
from teethscape.surface.session import Session
from teethscape.surface.start import footprint, hull_box, hull_field
from teethscape.surface.tangents import WHOLE_PX

from .scene import FRAME, SCALE, arch_mesh, views_of

_BAND = 3.0
#: Half axes and middles of two crowns that just touch, world units.
_AXES = np.array([0.09, 0.075, 0.06])
_MIDDLES = np.array([[-0.088, 0.0, 0.02], [0.088, 0.0, 0.02]])


def _to_crowns(points):
    """(n,) distance of points to the nearer of the two crowns, mm, nearly exact beside them."""
    away = points[:, None] / SCALE - _MIDDLES
    one, two = (np.linalg.norm(away / _AXES**k, axis=-1) for k in (1, 2))
    return (SCALE * one * (one - 1) / np.maximum(two, 1e-6)).min(axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def mesh():
    return arch_mesh([middle[:2] for middle in _MIDDLES])


@pytest.fixture(scope="module")
def views(mesh):
    return views_of(*mesh, size=256)


@pytest.fixture(scope="module")
def looks(views):
    return [prepared(views, k, SCALE) for k in range(len(views))]


@pytest.fixture(scope="module")
def right(views):
    """The true field at the first resolution."""
    grid = hull_field(views, SCALE, hull_box(views, SCALE), LEVELS[0].pitch * footprint(views, SCALE))
    return replace(grid, values=grid.evaluated(_to_crowns))


def _webbed(right):
    """The same with a block between the crowns, as a start that was grown has."""
    low, high = np.array([-2.4, -2.0, -2.0]), np.array([2.4, 2.0, 3.6])

    def block(points):
        return np.maximum(low - points, points - high).max(axis=1)

    values = np.minimum(right.values, right.evaluated(block)).astype(np.float32)
    return replace(right, values=values).redistanced(_BAND)


def test_a_picture_is_hollow_between_crowns_and_not_on_them(looks):
    look = looks[0]
    hollow = hollowness(look)
    row, column = np.nonzero(hollow > 0.05)
    middle = look.mask.shape[1] / 2
    assert len(row) > 5
    assert np.abs(column - middle).max() < 0.1 * look.mask.shape[1]
    assert np.median(hollow[look.known]) < 0


def test_a_web_is_opened_step_by_step_and_crowns_stay(right, looks):
    field = _webbed(right)
    inside = [float((field.values < 0).sum())]
    for _ in range(4):
        field = opened(field, looks, _BAND)
        inside.append(float((field.values < 0).sum()))
    true = float((right.values < 0).sum())
    assert inside == sorted(inside, reverse=True)
    assert inside[-1] - true < 0.5 * (inside[0] - true)
    crowns = right.values < -right.pitch
    assert (field.values[crowns] < 0).all()


def test_a_right_surface_is_left_as_it_is(right, looks):
    changed = np.abs(opened(right, looks, _BAND).values - right.redistanced(_BAND).values) > 1e-6
    assert changed.mean() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("border_px", "times"), [(WHOLE_PX, 0), (2.0, LEVELS[0].steps - 1)])
def test_webs_are_opened_where_the_start_was_grown(mesh, tmp_path, monkeypatch, border_px, times):
    calls = []
    monkeypatch.setattr(reconstruct, "opened", lambda field, *_: calls.append(field) or field)
    views = replace(views_of(*mesh, size=64), border_px=border_px)
    box = hull_box(views, SCALE)

    def begin(some, pitch):
        return hull_field(some, SCALE, box, pitch)

    session = Session(NoProgress(), tmp_path / "mesh.ply", None, FRAME)
    rough_field(views, SCALE, begin, session)
    assert calls == []
    solve_grid(views, SCALE, begin, session, "key")
    assert len(calls) == times
