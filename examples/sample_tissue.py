"""Gums, palate, floor of the mouth, cheeks and lips round the teeth of the sample.

Each jaw's soft tissue is one scalar field (negative inside) made of smooth unions:
a column of gum round every tooth, whose margin follows the neck and rises to a
papilla on both sides; the vault between the two halves of the arch; the fold
where gum turns into lip and cheek.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sample_surface import Array, Quads, surface_nets
from scipy import ndimage

from teethscape.dataset.gums import neck_ring
from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaw, arch

_STEP = 0.4
_FAR = 30.0


@dataclass(frozen=True)
class TissueStyle:
    """Shape of the soft tissue, mm.

    Attributes:
        cover: how far the margin lies occlusal of the neck.
        papilla: height of the papillae above the margin.
        vault: height of the palate, or depth of the floor of the mouth, over the necks.
        fold: distance from the necks to the fold between gum and lip.
        cheek: distance from the last teeth to the cheek (right, left).
        seed: seed of the fine unevenness.
    """

    cover: float = 0.35
    papilla: float = 2.6
    vault: float = 13.0
    fold: float = 10.0
    cheek: tuple[float, float] = (9.0, 9.0)
    seed: int = 0


@dataclass(frozen=True)
class _Grid:
    """Sample places of a field: ``origin + step * index``."""

    origin: Array
    shape: tuple[int, int, int]

    def axes(self) -> tuple[Array, Array, Array]:
        """Coordinates along x, y and z, mm."""
        x, y, z = (self.origin[k] + _STEP * np.arange(self.shape[k]) for k in range(3))
        return x, y, z

    def block(self, low: Array, high: Array) -> tuple[tuple[slice, slice, slice], Array]:
        """Slices and points (n, 3) of the part between two corners."""
        first = np.clip(np.floor((low - self.origin) / _STEP).astype(int), 0, self.shape)
        last = np.clip(np.ceil((high - self.origin) / _STEP).astype(int) + 1, 0, self.shape)
        slices = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        x, y, z = (axis[s] for axis, s in zip(self.axes(), slices, strict=True))
        points = np.stack(np.meshgrid(x, y, z, indexing="ij"), -1).reshape(-1, 3)
        return slices, points  # type: ignore[return-value]


def _smooth_min(a: NDArray, b: NDArray, width: float | NDArray) -> NDArray:
    """Minimum with a fillet of about ``width`` mm (polynomial blend)."""
    h = np.clip(0.5 + 0.5 * (b - a) / width, 0.0, 1.0)
    return b + (a - b) * h - width * h * (1.0 - h)


def _column(crown: Crown, points: Array, style: TissueStyle) -> Array:
    """Field of the gum round one tooth at points (n, 3)."""
    ring = neck_ring(crown)
    middle = ring.mean(axis=0)
    local_ring, local = (ring - middle) @ crown.axes, (points - middle) @ crown.axes
    ring_angle = np.arctan2(local_ring[:, 1], local_ring[:, 0])
    order = np.argsort(ring_angle)
    angle = np.arctan2(local[:, 1], local[:, 0])

    def along(values: Array) -> Array:
        return np.interp(angle, ring_angle[order], values[order], period=2.0 * np.pi)

    beside = np.hypot(local[:, 0], local[:, 1]) - along(np.hypot(local_ring[:, 0], local_ring[:, 1]))
    tall = float(np.percentile((crown.vertices - middle) @ crown.axes[:, 2], 98))
    papilla = min(style.papilla, 0.28 * tall) * np.exp(-((np.minimum(beside + 0.3, 0.0) / 0.7) ** 2))
    margin = along(local_ring[:, 2]) + style.cover + papilla * np.abs(np.cos(angle)) ** 5
    # Well inside the tooth the gum stays low, or it would come out through a worn or hollow crown.
    margin = margin - 2.5 * (1.0 - np.exp(-((np.minimum(beside + 0.6, 0.0) / 0.8) ** 2)))
    depth = np.maximum(margin - local[:, 2], 0.0)
    thick = 0.6 + 0.36 * depth**0.75 + 0.2 * np.exp(-(((depth - 4.0) / 2.5) ** 2)) * np.abs(np.sin(angle))
    return -_smooth_min(thick - beside, margin - local[:, 2], 0.5)


def _outline(crowns: Sequence[Crown]) -> tuple[Array, float]:
    """(n, 2) closed outline of the arch through the necks, and their mean height z."""
    necks = np.array([neck_ring(c).mean(axis=0) for c in crowns])
    back = np.array([0.0, 40.0, 0.0])
    line = np.vstack([necks[0] + back, necks, necks[-1] + back])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    even = np.arange(0.0, length[-1], 0.3)
    dense = np.stack([np.interp(even, length, line[:, k]) for k in range(3)], 1)
    dense = ndimage.gaussian_filter1d(dense, 6.0, axis=0, mode="nearest")
    return dense[:, :2], float(necks[:, 2].mean())


def _signed_distance(outline: Array, x: Array, y: Array) -> Array:
    """(nx, ny) distance to the outline, negative inside the arch, mm."""
    inside = np.zeros((len(x), len(y)), bool)
    for j, level in enumerate(y):
        a, b = outline[:-1], outline[1:]
        cut = (a[:, 1] > level) != (b[:, 1] > level)
        share = (level - a[cut, 1]) / (b[cut, 1] - a[cut, 1])
        crossings = a[cut, 0] + share * (b[cut, 0] - a[cut, 0])
        inside[:, j] = (crossings[None, :] > x[:, None]).sum(axis=1) % 2 == 1
    out = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    return np.asarray(out) * _STEP


def _bumps(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Array:
    """Smooth noise of unit deviation, correlated over ``length`` mm."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), length / _STEP)
    return field / field.std()


def _rugae(x: Array, y: Array, front: float) -> Array:
    """Transverse folds of the anterior palate and the raphe in the middle, mm."""
    u, v = np.meshgrid(x, y - front, indexing="ij")
    sway = v - 0.10 * np.abs(u) - 0.9 * np.sin(0.45 * np.abs(u))
    folds = 0.8 * np.cos(2.0 * np.pi * sway / 3.6) * np.exp(-(((v - 12.0) / 6.0) ** 2))
    folds *= 1.0 - np.exp(-((u / 1.8) ** 2))
    raphe = 0.5 * np.exp(-((u / 0.8) ** 2)) * np.clip((v - 6.0) / 8.0, 0.0, 1.0)
    papilla = 1.2 * np.exp(-((u / 1.6) ** 2) - ((v - 6.0) / 2.2) ** 2)
    return folds - raphe + papilla


def _sheet(crowns: Sequence[Crown], grid: _Grid, style: TissueStyle) -> tuple[Array, Array]:
    """(nx, ny) apical height of the soft surface over the necks, mm, and distance outside the arch."""
    x, y, _ = grid.axes()
    outline, _ = _outline(crowns)
    distance = _signed_distance(outline, x, y)
    rng = np.random.default_rng(style.seed)
    deep = np.clip((-distance - 3.0) / 13.0, 0.0, 1.0)
    inner = 2.5 + style.vault * (1.0 - (1.0 - deep) ** 2)
    if crowns[0].jaw is Jaw.UPPER:
        inner = inner - _rugae(x, y, float(outline[:, 1].min()))
    outside = np.clip(distance - 2.0, 0.0, None)
    wave = 0.5 * _bumps(distance.shape, 5.0, rng) + 0.12 * _bumps(distance.shape, 1.2, rng)
    outer = style.fold + 2.2 * (1.0 - np.exp(-outside / 3.0)) - 0.06 * outside
    frenum = (
        2.2 * np.exp(-((x[:, None] / 1.8) ** 2)) * np.clip(outside / 4.0, 0.0, 1.0) * np.exp(-outside / 9.0)
    )
    blend = np.clip((distance + 1.5) / 3.0, 0.0, 1.0)
    return inner * (1.0 - blend) + (outer - frenum) * blend + wave, distance


def _cheek_field(distance: Array, grid: _Grid, style: TissueStyle) -> Array:
    """(nx, ny) field of the cheeks: far away in front, close to the molars."""
    x, y, _ = grid.axes()
    front = y.min() + 18.0
    open_front = np.clip(front + 24.0 - y, 0.0, None)[None, :] * 1.1
    side = np.where(x < 0.0, style.cheek[0], style.cheek[1])[:, None]
    rng = np.random.default_rng(style.seed + 1)
    return side + open_front - distance + 0.6 * _bumps(distance.shape, 4.0, rng)


def _grid_of(teeth: Sequence[Crown], neck: float, style: TissueStyle) -> _Grid:
    """Grid round a jaw, from the crowns' middle to beyond the vault."""
    apical = 1.0 if teeth[0].jaw is Jaw.UPPER else -1.0
    points = np.vstack([c.vertices for c in teeth])
    ends = sorted([neck - apical * 5.0, neck + apical * (style.vault + 8.0)])
    low = np.array([points[:, 0].min() - 24.0, points[:, 1].min() - 22.0, ends[0]])
    high = np.array([points[:, 0].max() + 24.0, points[:, 1].max() + 14.0, ends[1]])
    nx, ny, nz = np.ceil((high - low) / _STEP).astype(int) + 1
    return _Grid(low, (int(nx), int(ny), int(nz)))


def jaw_tissue(crowns: Sequence[Crown], style: TissueStyle) -> tuple[Array, Quads]:
    """Soft tissue of one jaw: vertices (n, 3) in mm and quads (m, 4)."""
    teeth = sorted(crowns, key=lambda c: arch(c.jaw).index(c.fdi))
    apical = 1.0 if teeth[0].jaw is Jaw.UPPER else -1.0
    _, neck = _outline(teeth)
    grid = _grid_of(teeth, neck, style)
    height, distance = _sheet(teeth, grid, style)
    above = apical * (grid.axes()[2] - neck)
    field = 0.8 * (height[:, :, None] - above)
    cheek = np.broadcast_to(_cheek_field(distance, grid, style)[:, :, None], field.shape)
    field = _smooth_min(field, cheek, 3.0)
    for crown in teeth:
        middle = neck_ring(crown).mean(axis=0)
        reach = np.array([11.0, 11.0, 14.0])
        slices, places = grid.block(middle - reach, middle + reach)
        own = _column(crown, places, style).reshape(field[slices].shape)
        # Sharp papillae at the necks; farther up the roots only hint at themselves.
        fillet = (0.8 + 0.45 * np.clip(above[slices[2]], 0.0, 10.0))[None, None, :]
        field[slices] = _smooth_min(field[slices], own, fillet)
    field = ndimage.gaussian_filter(field, 0.6)
    return surface_nets(field.astype(np.float32), grid.origin, _STEP)


def tongue(crowns: Sequence[Crown]) -> tuple[Array, Quads]:
    """A tongue lying back in the lower arch: vertices (n, 3) in mm and quads (m, 4)."""
    outline, neck = _outline(sorted(crowns, key=lambda c: arch(c.jaw).index(c.fdi)))
    front = float(outline[:, 1].min())
    low = np.array([-32.0, front + 8.0, neck - 16.0])
    shape = (160, 170, 90)
    axes = [low[k] + _STEP * np.arange(shape[k]) for k in range(3)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    wide = 19.0 + 0.10 * (y - front)
    u, v, w = x / wide, (y - front - 47.0) / 28.0, (z - neck + 3.0) / 9.5
    groove = 0.10 * np.exp(-((x / 2.5) ** 2))
    field = (np.abs(u) ** 2.6 + np.abs(v) ** 2.6 + np.abs(w) ** 2.2) ** (1.0 / 2.4) - 1.0 + groove * (w > 0)
    rng = np.random.default_rng(3)
    field = 9.0 * field + 0.25 * ndimage.gaussian_filter(rng.normal(size=shape), 3.0) / 0.03 * 0.3
    return surface_nets(field.astype(np.float32), low, _STEP)
