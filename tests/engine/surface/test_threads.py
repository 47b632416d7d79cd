"""What no view bears out goes, what views show stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.surface.grid.field import GridField
from teethscape.surface.grid.looks import prepared
from teethscape.surface.mesh.threads import without_threads

from .scene import SCALE, arch_mesh, views_of

PITCH = 0.25
#: Crowns of the scene as balls, mm, and a needle at the side of one of them, and a ball below all, unseen.
NEEDLE, HIDDEN = "needle", "hidden"


def _field(shape):
    """A field whose values are the signed distances of a union of balls and rods, mm."""
    axes = [np.arange(-12.0, 12.0 + PITCH, PITCH)] * 3
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return GridField(shape(nodes).astype(np.float32), np.full(3, -12.0), PITCH)


def _ball(nodes, middle, radius):
    return np.linalg.norm(nodes - np.array(middle), axis=-1) - radius


def _rod(nodes, start, length, radius):
    """A rod along x."""
    away = nodes - np.array(start)
    along = np.clip(away[..., 0], 0, length)
    return np.linalg.norm(away - along[..., None] * np.array([1.0, 0, 0]), axis=-1) - radius


@pytest.fixture(scope="module")
def looks():
    """Views of a single ball of 6 mm in the middle, with its normals."""
    vertices, faces = arch_mesh(((0.0, 0.0),))
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    radius = 6.0 / SCALE
    ball = (vertices - middle) / np.linalg.norm(vertices - middle, axis=1, keepdims=True) * radius
    views = views_of(ball, faces, size=128)
    return [prepared(views, k, SCALE) for k in range(len(views))]


def test_a_body_that_views_show_stays_as_it_is(looks):
    field = _field(lambda nodes: _ball(nodes, (0, 0, 0), 6.0))
    np.testing.assert_array_equal(without_threads(field, looks).values, field.values)


def test_a_thread_goes_and_the_body_stays(looks):
    ball = _field(lambda nodes: _ball(nodes, (0, 0, 0), 6.0))
    rod = _field(lambda nodes: _rod(nodes, (0, 0, 0), 10.0, 0.35))
    found = without_threads(replace(ball, values=np.minimum(ball.values, rod.values)), looks)
    left = (found.values < 0) & (ball.values > 0.6)
    assert not left.any()
    assert ((found.values < 0) == (ball.values < 0))[ball.values < -0.6].all()


def test_a_piece_that_no_view_shows_goes_with_the_thread_that_holds_it(looks):
    ball = _field(lambda nodes: _ball(nodes, (0, 0, 0), 6.0))
    drop = _field(lambda nodes: np.minimum(_ball(nodes, (10, 0, 0), 1.2), _rod(nodes, (0, 0, 0), 10.0, 0.35)))
    found = without_threads(replace(ball, values=np.minimum(ball.values, drop.values)), looks)
    assert not ((found.values < 0) & (ball.values > 0.6)).any()


def test_a_flake_that_hangs_on_nothing_goes_even_where_it_is_shown(looks):
    """A part of the ball's own surface, moved toward the cameras above."""
    ball = _field(lambda nodes: _ball(nodes, (0, 0, 0), 6.0))

    def flake(nodes):
        shell = np.abs(_ball(nodes, (0, 0, 1.5), 6.0)) - 0.3
        return np.maximum(shell, np.linalg.norm(nodes - np.array([0, 0, 7.5]), axis=-1) - 2.5)

    flakes = _field(flake)
    assert (flakes.values < 0).any()
    found = without_threads(replace(ball, values=np.minimum(ball.values, flakes.values)), looks)
    assert ((found.values < 0) == (ball.values < 0)).all()


def test_a_thin_plate_that_views_show_stays():
    """Half a millimetre thick, seen from above with its own normals."""
    side, low = 10.0, -0.25
    corners = np.array([[x, y, z] for z in (low, -low) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    corners[:, :2] *= side / 2
    quads = ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
    faces = np.array([tri for a, b, c, d in quads for tri in ((a, b, c), (a, c, d))])
    views = views_of(corners / SCALE, faces, size=128)
    looks = [prepared(views, k, SCALE) for k in range(len(views))]

    def plate(nodes):
        return (np.abs(nodes) - np.array([side / 2, side / 2, -low])).max(axis=-1)

    block = _field(lambda nodes: np.minimum(plate(nodes), _ball(nodes, (0, 0, 0), 2.0)))
    found = without_threads(block, looks)
    middle = (np.abs(_field(lambda n: n[..., 2]).values) < 0.1) & (plate_inside(block))
    kept = (found.values < 0)[middle].mean()
    assert kept > 0.9


def plate_inside(field):
    """Nodes well inside the plate's outline."""
    nodes = field.nodes().reshape(*field.values.shape, 3)
    return (np.abs(nodes[..., :2]) < 4.0).all(axis=-1)
