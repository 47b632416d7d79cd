"""The gums of a fitted arch, as a wall that hides what is behind it."""

from __future__ import annotations

import numpy as np

from teethscape.dental.fdi import arch as row_of
from teethscape.dental.views import View
from teethscape.parametric.arch import Arch
from teethscape.parametric.raster import NO_TOOTH, TriangleSoup
from teethscape.parametric.rims import vertices_in_view

#: How far gum and alveolar process reach from the necks of the teeth, mm: more than a photo shows.
_HEIGHT = 15.0


def with_gums(soup: TriangleSoup, arch: Arch, teeth: list[int], view: View) -> TriangleSoup:
    """Teeth with a wall along the necks of each jaw's row.

    It stands in the middle of the necks and reaches from them away from the crowns.  A camera in front of the
    closed bite would else see the teeth of the other side past the necks of the nearer ones.

    Args:
        soup: the teeth of the view.
        arch: the teeth.
        teeth: their indices.
        view: which photo, whose frame the soup is in.
    """
    for jaw in view.jaws:
        row = [i for i in map(arch.prior.fdi.index, row_of(jaw)) if i in teeth]
        soup = _joined(soup, _wall(arch, row, view)) if row else soup
    return soup


def _wall(arch: Arch, row: list[int], view: View) -> TriangleSoup:
    """Both sides of the wall along teeth that stand in this order."""
    crowns = np.array([vertices_in_view(arch, i, view) for i in row])
    neck = crowns[:, arch.prior.neck].mean(axis=1)
    away = neck.mean(axis=0) - crowns.mean(axis=(0, 1))
    foot = neck + _HEIGHT * away / np.linalg.norm(away)
    here, n = np.arange(len(row) - 1), len(row)
    side = np.concatenate(
        [np.stack([here, here + 1, here + n], 1), np.stack([here + 1, here + 1 + n, here + n], 1)]
    )
    faces = np.concatenate([side, side[:, ::-1]]).astype(np.int32)
    return TriangleSoup(np.concatenate([neck, foot]), faces, np.full(len(faces), NO_TOOTH, np.int32))


def _joined(first: TriangleSoup, second: TriangleSoup) -> TriangleSoup:
    return TriangleSoup(
        np.concatenate([first.vertices, second.vertices]),
        np.concatenate([first.faces, second.faces + np.int32(len(first.vertices))]),
        np.concatenate([first.owner, second.owner]),
    )
