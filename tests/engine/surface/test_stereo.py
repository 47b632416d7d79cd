"""Where views' normals put a surface: on the true one, from either side of it, without any mask's help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.parametric.raster import TriangleSoup, render_ids
from teethscape.surface.grid.looks import prepared
from teethscape.surface.grid.rows import seen_points
from teethscape.surface.grid.stereo import Sight, offsets, stereo_rows
from teethscape.surface.start import footprint, hull_box, hull_field

from .scene import SCALE, arch_mesh, views_of


@pytest.fixture(scope="module")
def mesh():
    return arch_mesh()


@pytest.fixture(scope="module")
def views(mesh):
    return views_of(*mesh, size=192)


def _sights(views, mesh):
    """All views of the true surface."""
    vertices, faces = mesh
    soup = TriangleSoup(vertices * SCALE, faces, np.zeros(len(faces), np.int32))
    looks = [prepared(views, k, SCALE) for k in range(len(views))]
    return [Sight(look, render_ids(soup, look.camera).depth) for look in looks]


def _told(views, mesh, out_px):
    """Offset in pixels that normals tell of places so far out of the true surface, by what they know."""
    sights, pixel = _sights(views, mesh), footprint(views, SCALE)
    seen, _ = seen_points(sights[0].look, (mesh[0] * SCALE, mesh[1]))
    normals = views.normals[0].reshape(-1, 3)[seen.pixel]
    told = offsets(sights, seen.points + out_px * pixel * normals, 2 * pixel)
    known = told.information.sum(axis=0)
    clear = known > np.quantile(known, 0.7)
    return np.median(told.inward[clear]) / pixel


@pytest.mark.parametrize("out_px", [-0.6, 0.0, 0.6])
def test_places_beside_the_surface_are_drawn_to_it(views, mesh, out_px):
    assert _told(views, mesh, out_px) == pytest.approx(out_px, abs=0.25)


def test_masks_that_are_too_small_do_not_matter(views, mesh):
    import cv2

    masks = np.stack([cv2.erode(mask, np.ones((5, 5), np.uint8)) for mask in views.foreground])
    small = replace(views, foreground=masks)
    assert _told(small, mesh, 0.6) == pytest.approx(0.6, abs=0.3)


def test_a_view_that_contradicts_the_others_is_overruled(views, mesh):
    normals = views.normals.copy()
    normals[5] = normals[5][:, ::-1]
    assert _told(replace(views, normals=normals), mesh, 0.6) == pytest.approx(0.6, abs=0.3)


def test_one_view_alone_tells_nothing(views, mesh):
    sights, pixel = _sights(views.subset([0]), mesh), footprint(views, SCALE)
    field = hull_field(views, SCALE, hull_box(views, SCALE), 2 * pixel)
    seen, _ = seen_points(sights[0].look, (mesh[0] * SCALE, mesh[1]))
    assert len(stereo_rows(sights, 0, field, seen.points, False).wanted) == 0


def test_what_is_far_off_weighs_little_when_the_surface_is_nearly_right(views, mesh):
    sights, pixel = _sights(views, mesh), footprint(views, SCALE)
    field = hull_field(views, SCALE, hull_box(views, SCALE), pixel)
    seen, _ = seen_points(sights[0].look, (mesh[0] * SCALE, mesh[1]))
    some = seen.points.copy()
    some[::20] += pixel * views.normals[0].reshape(-1, 3)[seen.pixel][::20]
    believed, doubted = (stereo_rows(sights, 0, field, some, near) for near in (False, True))
    before, after = (np.abs(rows.wanted).max() for rows in (believed, doubted))
    assert after < 0.7 * before


def test_no_points_make_no_rows(views, mesh):
    field = hull_field(views, SCALE, hull_box(views, SCALE), 2 * footprint(views, SCALE))
    rows = stereo_rows(_sights(views, mesh), 0, field, np.zeros((0, 3)), True)
    assert rows.columns.shape == (0, 8)
    assert len(rows.wanted) == 0
