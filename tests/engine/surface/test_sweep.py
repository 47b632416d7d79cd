"""What views show of a cloud: hidden points have no normal, a cloud goes inward to where normals agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.surface.gspull.seen import clear_views, seen_normals
from teethscape.surface.gspull.sweep import swept

from .scene import arch_mesh, views_of

#: Half axes of the crowns of the scene, world units.
_AXES = np.array([0.09, 0.075, 0.06])
_PLACES = ((-0.22, 0.0), (0.0, 0.14), (0.22, 0.0))
_PIXEL = 0.012


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=96)


def _crowns(points):
    """Each point's crown's middle, and its place on the unit sphere that the crown is stretched from."""
    middles = np.array([(x, y, 0.02) for x, y in _PLACES])
    middle = middles[np.linalg.norm(points[:, None] - middles, axis=2).argmin(axis=1)]
    return (points - middle) / _AXES


def _distance(points, grown=0.0):
    """About the distance from the crowns, which may be grown all around."""
    place = _crowns(points)
    length = np.linalg.norm(place, axis=1)
    slope = np.linalg.norm(place / _AXES, axis=1) / np.maximum(length, 1e-9)
    return (length - 1) / slope - grown


def _normals(points):
    normals = _crowns(points) / _AXES
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_a_normal_is_that_of_the_point_and_none_where_the_body_hides_it(views):
    vertices, _ = arch_mesh()
    points = vertices[:: len(vertices) // 400]
    true = _normals(points)
    seen = seen_normals(views, points, clear_views(views, points, _distance))
    known = seen.count > 0
    cos = (seen.normals * true).sum(axis=1)
    assert known.mean() > 0.3
    assert (cos[known] > 0.8).mean() > 0.85
    up = views.centres.mean(axis=0) / np.linalg.norm(views.centres.mean(axis=0))
    assert not known[true @ up < -0.8].any()
    every = seen_normals(views, points, np.ones((len(views), len(points)), bool))
    assert ((every.normals * true).sum(axis=1) < 0).mean() > 0.1  # what the test of visibility is for


def test_a_grown_cloud_is_swept_onto_the_surface(views):
    vertices, _ = arch_mesh()
    points = vertices[::3]
    outward = _normals(points)
    grown = 3 * _PIXEL
    found = swept(views, (points + grown * outward, outward), lambda p: _distance(p, grown), _PIXEL)
    assert len(found) > 0.15 * len(points)
    assert np.median(np.abs(_distance(found))) < 0.3 * grown


def test_nothing_is_swept_without_normals(views):
    bare = replace(views, normals=None)
    points = arch_mesh()[0][::50]
    assert swept(bare, (points, _normals(points)), _distance, _PIXEL) is None
