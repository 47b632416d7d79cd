"""Soft tissue of one jaw as one surface.

One scalar field (negative inside) made of smooth unions: a column of gum round every
tooth, the alveolar process, the vault between the two halves of the arch, and the fold
where gum turns into lip and cheek.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from teethscape.dataset.gums import neck_ring
from teethscape.dataset.mouth.fields import (
    STEP,
    ArchLine,
    ArchMap,
    Grid,
    arch_line,
    arch_map,
    bumps,
    in_order,
    smooth_min,
)
from teethscape.dataset.mouth.gingiva import GingivaStyle, column, covers, ridge
from teethscape.dataset.mouth.nets import Array, Quads, surface_nets
from teethscape.dataset.mouth.vault import VaultStyle, sheet
from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaw

#: How far the surface reaches outside the arch and behind the last teeth, mm.
_ASIDE, _BEHIND = 9.0, 16.0


@dataclass(frozen=True)
class TissueStyle:
    """Shape of one jaw's soft tissue."""

    gingiva: GingivaStyle = field(default_factory=GingivaStyle)
    vault: VaultStyle = field(default_factory=VaultStyle)


@dataclass(frozen=True)
class JawTissue:
    """Soft tissue of a jaw with where each vertex lies.

    Attributes:
        line: the jaw's neck line.
        vertices: (n, 3) mm.
        faces: (m, 4) outward.
        distance: (n,) mm from the neck line seen from above, negative inside the arch.
        above: (n,) mm apical of the necks.
        along: (n,) place on the neck line, mm from its right end.
        relief: (n,) how deep the sheet lies there under its surroundings, mm.
    """

    line: ArchLine
    vertices: Array
    faces: Quads
    distance: Array
    above: Array
    along: Array
    relief: Array


def _grid_of(teeth: Sequence[Crown], line: ArchLine, style: TissueStyle) -> Grid:
    """Grid round a jaw, from the crowns' middle to beyond the vault."""
    points = np.vstack([c.vertices for c in teeth])
    top = max(style.vault.vault, style.vault.fold) + 5.0
    ends = sorted([line.level - line.apical * 5.5, line.level + line.apical * top])
    low = np.array([points[:, 0].min() - _ASIDE, points[:, 1].min() - _ASIDE, ends[0]])
    high = np.array([points[:, 0].max() + _ASIDE, points[:, 1].max() + _BEHIND, ends[1]])
    return Grid.over(low, high)


def _map_of(grid: Grid, line: ArchLine) -> ArchMap:
    """(nx, ny) map of a grid."""
    x, y, _ = grid.axes()
    places = np.stack(np.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2)
    found, shape = arch_map(line, places), (len(x), len(y))
    neck = ndimage.gaussian_filter(found.neck.reshape(shape), 3.0)
    return ArchMap(found.distance.reshape(shape), neck, found.along.reshape(shape))


def _with_columns(
    base: Array,
    above: Array,
    grid: Grid,
    teeth: Sequence[Crown],
    style: tuple[GingivaStyle, dict[int, float]],
) -> Array:
    """The field with a column of gum round every tooth."""
    for crown in teeth:
        middle = neck_ring(crown).mean(axis=0)
        reach = np.array([9.5, 9.5, 13.0])
        slices, places = grid.block(middle - reach, middle + reach)
        own = column(crown, places, style[0], style[1][crown.fdi]).reshape(base[slices].shape)
        # Sharp papillae at the necks; farther up the roots only hint at themselves.
        fillet = 0.8 + 0.45 * np.clip(above[slices], 0.0, 10.0)
        base[slices] = smooth_min(base[slices], own, fillet)
    return base


def jaw_tissue(crowns: Sequence[Crown], jaw: Jaw, style: TissueStyle, rng: np.random.Generator) -> JawTissue:
    """Soft tissue of one jaw."""
    teeth = in_order(crowns, jaw)
    line = arch_line(crowns, jaw)
    grid = _grid_of(teeth, line, style)
    place = _map_of(grid, line)
    above = line.apical * (grid.axes()[2][None, None, :] - place.neck[:, :, None])
    height = sheet(place, grid, line, style.vault, rng)
    base = 0.8 * (height[:, :, None] - above)
    base = smooth_min(base, ridge(place, above, line, style.gingiva), 4.0)
    base = _with_columns(base, above, grid, teeth, (style.gingiva, covers(teeth, style.gingiva, rng)))
    base = ndimage.gaussian_filter(base.astype(np.float32), 0.6)
    base += style.gingiva.stipple * bumps(grid.shape, 0.55, rng).astype(np.float32)
    vertices, faces = surface_nets(base, grid.origin, STEP)
    spots = (vertices[:, :2] - grid.origin[:2]).T / STEP
    relief = height - ndimage.gaussian_filter(height, 1.6 / STEP)
    distance, neck, along, relief = (
        ndimage.map_coordinates(layer, spots, order=1, mode="nearest")
        for layer in (place.distance, place.neck, place.along, relief)
    )
    above = line.apical * (vertices[:, 2] - neck)
    return JawTissue(line, vertices, faces, distance, above, along, relief)
