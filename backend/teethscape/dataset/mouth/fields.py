"""Scalar fields on regular grids: the clay of which soft tissue is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from teethscape.dataset.gums import neck_ring
from teethscape.dataset.mouth.nets import Array
from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaw, arch

#: Spacing of all grids, mm.
STEP = 0.42


@dataclass(frozen=True)
class Grid:
    """Sample places of a field: ``origin + STEP * index``.

    Attributes:
        origin: (3,) mm.
        shape: number of samples along x, y and z.
    """

    origin: Array
    shape: tuple[int, int, int]

    @classmethod
    def over(cls, low: Array, high: Array) -> Grid:
        """The grid that covers a box given by two corners (3,)."""
        nx, ny, nz = np.ceil((high - low) / STEP).astype(int) + 1
        return cls(low, (int(nx), int(ny), int(nz)))

    def axes(self) -> tuple[Array, Array, Array]:
        """Coordinates along x, y and z, mm."""
        x, y, z = (self.origin[k] + STEP * np.arange(self.shape[k]) for k in range(3))
        return x, y, z

    def block(self, low: Array, high: Array) -> tuple[tuple[slice, slice, slice], Array]:
        """Slices and points (n, 3) of the part between two corners."""
        first = np.clip(np.floor((low - self.origin) / STEP).astype(int), 0, self.shape)
        last = np.clip(np.ceil((high - self.origin) / STEP).astype(int) + 1, 0, self.shape)
        a, b, c = (slice(int(i), int(j)) for i, j in zip(first, last, strict=True))
        x, y, z = (axis[s] for axis, s in zip(self.axes(), (a, b, c), strict=True))
        return (a, b, c), np.stack(np.meshgrid(x, y, z, indexing="ij"), -1).reshape(-1, 3)


def smooth_min(a: NDArray, b: NDArray, width: float | NDArray) -> NDArray:
    """Minimum with a fillet of about ``width`` mm (polynomial blend)."""
    h = np.clip(0.5 + 0.5 * (b - a) / width, 0.0, 1.0)
    return b + (a - b) * h - width * h * (1.0 - h)


def bumps(shape: tuple[int, ...], length: float, rng: np.random.Generator) -> Array:
    """Smooth noise of unit deviation, correlated over ``length`` mm."""
    coarse = max(1, int(0.5 * length / STEP))
    small = tuple(n // coarse + 3 for n in shape)
    field = ndimage.gaussian_filter(rng.normal(size=small), length / STEP / coarse)
    places = np.meshgrid(*(np.arange(n) / coarse + 0.5 for n in shape), indexing="ij")
    field = ndimage.map_coordinates(field, places, order=1)
    return field / max(float(field.std()), 1e-9)


def smooth_step(values: NDArray, low: float | NDArray, high: float | NDArray) -> NDArray:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@dataclass(frozen=True)
class ArchLine:
    """The line of a jaw's necks from right to left, prolonged straight back behind both last teeth.

    Attributes:
        jaw: which jaw.
        points: (n, 3) mm, about 0.3 mm apart.
        last: (2,) y of the last tooth on the right and on the left.
    """

    jaw: Jaw
    points: Array
    last: tuple[float, float]

    @property
    def apical(self) -> float:
        """Sign of z away from the crowns."""
        return 1.0 if self.jaw is Jaw.UPPER else -1.0

    @property
    def front(self) -> float:
        """Smallest y of the line, mm."""
        return float(self.points[:, 1].min())

    @property
    def level(self) -> float:
        """Mean z of the necks, mm."""
        ends = self.points[:, 1] < max(self.last)
        return float(self.points[ends, 2].mean())


def in_order(crowns: Sequence[Crown], jaw: Jaw) -> list[Crown]:
    """Crowns of a jaw from the patient's right to the left."""
    return sorted((c for c in crowns if c.jaw is jaw), key=lambda c: arch(jaw).index(c.fdi))


def arch_line(crowns: Sequence[Crown], jaw: Jaw) -> ArchLine:
    """The neck line of one jaw."""
    necks = np.array([neck_ring(c).mean(axis=0) for c in in_order(crowns, jaw)])
    back = np.array([0.0, 40.0, 0.0])
    line = np.vstack([necks[0] + back, necks, necks[-1] + back])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    even = np.arange(0.0, length[-1], 0.3)
    dense = np.stack([np.interp(even, length, line[:, k]) for k in range(3)], 1)
    dense = ndimage.gaussian_filter1d(dense, 8.0, axis=0, mode="nearest")
    return ArchLine(jaw, dense, (float(necks[0, 1]), float(necks[-1, 1])))


@dataclass(frozen=True)
class ArchMap:
    """Where places (x, y) lie beside the neck line of a jaw.

    Attributes:
        distance: mm from the line, negative inside the arch.
        neck: z of the line there, mm.
        along: place on the line, mm from its right end.
    """

    distance: Array
    neck: Array
    along: Array


def _inside(line: Array, places: Array) -> NDArray[np.bool_]:
    """(n,) whether places (n, 2) lie inside a line whose ends point to +y."""
    order = np.argsort(places[:, 1], kind="stable")
    out = np.zeros(len(places), bool)
    levels, starts = np.unique(places[order, 1], return_index=True)
    for level, part in zip(levels, np.split(order, starts[1:]), strict=True):
        a, b = line[:-1], line[1:]
        cut = (a[:, 1] > level) != (b[:, 1] > level)
        share = (level - a[cut, 1]) / (b[cut, 1] - a[cut, 1])
        crossings = a[cut, 0] + share * (b[cut, 0] - a[cut, 0])
        out[part] = (crossings[None, :] > places[part, :1]).sum(axis=1) % 2 == 1
    return out


def arch_map(line: ArchLine, places: Array) -> ArchMap:
    """The map at places (n, 2); rows of equal y are cheapest."""
    distance, nearest = KDTree(line.points[:, :2]).query(places)
    sign = np.where(_inside(line.points[:, :2], places), -1.0, 1.0)
    return ArchMap(sign * distance, line.points[nearest, 2], np.asarray(0.3 * nearest))
