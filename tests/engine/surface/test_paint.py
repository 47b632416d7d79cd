"""Colours of vertices from views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.surface.grid.looks import prepared
from teethscape.surface.hull import mask_distances
from teethscape.surface.mesh.paint import view_colours
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
