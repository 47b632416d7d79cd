"""Colours of vertices from views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.surface.grid.looks import camera_of, prepared
from teethscape.surface.grid.room import squared
from teethscape.surface.hull import mask_distances
from teethscape.surface.mesh.paint import agreement, view_colours
from teethscape.surface.tangents import Borders, with_moved_borders

from .scene import SCALE, arch_mesh, views_of


@pytest.mark.parametrize("outside", [0.0, 1.0], ids=["black", "white"])
def test_what_lies_beside_a_mask_that_was_too_small_paints_nothing(outside):
    """The masks are moved out to the true ones, where the pictures' colours were removed."""
    vertices, faces = arch_mesh()
    views = views_of(vertices, faces, size=192)
    small = np.stack([mask_distances(mask) < -1.5 for mask in views.foreground]).astype(np.float32)
    colours = np.where(small[..., None] > 0, np.full(3, 0.8), outside).astype(np.float32)
    cut = replace(views, colours=colours, colour_mask=small, foreground=small)
    moved = with_moved_borders(cut, Borders(np.full(len(views), 1.5), 0.0))
    assert (moved.foreground > moved.colour_mask).any()
    looks = [prepared(moved, k, SCALE) for k in range(len(moved))]
    found = view_colours(moved, looks, vertices * SCALE, faces)
    assert (found == 204).all(axis=1).mean() > 0.3
    assert np.isin(found, (178, 204)).mean() > 0.999  # grey where no view shows a vertex


def test_colours_are_the_same_in_any_unit():
    """What is hidden by a little in millimetres is so in the units of other programs, too."""
    vertices, faces = arch_mesh()
    views = views_of(vertices, faces, size=96)
    found = []
    for unit in (1.0, 1 / SCALE):
        looks = [prepared(views, k, SCALE * unit) for k in range(len(views))]
        found.append(view_colours(views, looks, vertices * SCALE * unit, faces, unit))
    assert (found[0] == 178).all(axis=1).mean() > 0.01  # some vertices no view shows
    assert np.array_equal(*found)


def _every_other(views, rows, columns):
    """The views as cameras with pixels so many times as high and wide see them."""
    factors = 1 / np.array([[columns], [rows], [1]])
    step = np.s_[:, ::rows, ::columns]
    pictures = (views.colours, views.colour_mask, views.foreground, views.normals)
    colours, colour_mask, foreground, normals = (picture[step] for picture in pictures)
    return replace(
        views, colours=colours, colour_mask=colour_mask, foreground=foreground, normals=normals,
        intrinsics=views.intrinsics * factors,
    )  # fmt: skip


@pytest.mark.parametrize(("rows", "columns"), [(2, 1), (1, 2)], ids=["high", "wide"])
def test_pixels_that_are_not_square_are_compared_and_painted_where_they_are(rows, columns):
    vertices, faces = arch_mesh()
    views = views_of(vertices, faces, size=192)
    slope = np.linspace(0.2, 1, 192, dtype=np.float32)
    shades = np.stack([*np.meshgrid(slope, slope), np.full((192, 192), 0.5, np.float32)], axis=-1)
    views = replace(views, colours=np.repeat(shades[None], len(views), axis=0))
    stretched, found = _every_other(views, rows, columns), []
    for some in (views, stretched):
        looks = [prepared(some, k, SCALE) for k in range(len(some))]
        agree = agreement(looks, vertices * SCALE, faces)
        assert agree.overlap.min() > 0.85
        assert agree.angle_deg.max() < 5
        found.append(view_colours(some, looks, vertices * SCALE, faces).astype(int))
    assert np.median(np.abs(found[0] - found[1]).max(axis=1)) < 3


@pytest.mark.parametrize("share", [0.9968, 1.0032, 1.0001])
def test_focal_lengths_that_differ_by_little_lead_to_the_right_pixel(share):
    """As those of DTU's cameras do; where nothing is shrunk they differ by hardly anything."""
    vertices, faces = arch_mesh()
    views = views_of(vertices, faces, size=960).subset([0])
    views = replace(views, intrinsics=views.intrinsics * [[[1.0], [share], [1]]])
    one = squared(views, 0)
    wanted = views.project(0, vertices)[0] * np.divide(one.size[::-1], views.size[::-1])
    found = camera_of(one, 0, SCALE).project(vertices * SCALE) + 0.5
    assert np.abs(found - wanted).max() < 0.15


def test_pictures_of_square_pixels_stay_as_they_are():
    views = views_of(*arch_mesh())
    one = squared(views, 3)
    for name in ("colours", "colour_mask", "foreground", "normals", "intrinsics", "cam2world"):
        np.testing.assert_array_equal(getattr(one, name)[0], getattr(views, name)[3])


def test_looks_of_views_without_normals_hold_none_and_take_no_memory_for_them():
    views = replace(views_of(*arch_mesh()), normals=None)
    look = prepared(views, 0, SCALE)
    assert not look.known.any()
    assert not look.steady.any()
    assert look.slopes.shape == (*views.size, 3, 2)
    assert not any(array.any() for array in (look.normals, look.soft, look.wide, look.slopes))
    assert all(stride == 0 for stride in look.wide_slopes.strides)
