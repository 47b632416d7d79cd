"""A field sampled on a regular grid: places, interpolation, refinement, distances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from teethscape.surface.mesh.marching import Array, Faces, marching_cubes
from teethscape.surface.mesh.marching_table import corner_offsets
from teethscape.surface.mesh.sampling import Field, by_slabs, sampled

Values = NDArray[np.float32]
#: Nodes whose places are held at once; what is worked out at them takes some 200 bytes each.
_SLAB = 1 << 18


@dataclass(frozen=True, eq=False)
class GridField:
    """Values at the nodes of a grid, negative inside.

    Attributes:
        values: (x, y, z).
        low: (3,) place of node 0, mm.
        pitch: distance of nodes, mm.
    """

    values: Values
    low: Array
    pitch: float

    @property
    def high(self) -> Array:
        """(3,) place of the last node, mm."""
        return self.low + self.pitch * (np.array(self.values.shape) - 1)

    @property
    def steps(self) -> NDArray[np.int64]:
        """(3,) distance of neighbours in the flat list."""
        _, y, z = self.values.shape
        return np.array([y * z, z, 1])

    def nodes(self) -> Array:
        """(n, 3) places of all nodes, mm."""
        return self.low + self.pitch * np.argwhere(np.ones(self.values.shape, bool))

    def evaluated(self, function: Callable[[Array], NDArray[np.floating]]) -> Values:
        """(x, y, z) values of a function of (n, 3) points, mm, at the nodes; a slab of them at a time."""
        axes = [a + self.pitch * np.arange(n) for a, n in zip(self.low, self.values.shape, strict=True)]
        return by_slabs(function, axes, _SLAB)

    def cell(self, points: Array) -> tuple[NDArray[np.int64], Array]:
        """Flat lower node (n,) of the cells around (n, 3) points, and the place (n, 3) in them, 0..1."""
        place = (points - self.low) / self.pitch
        low = np.clip(np.floor(place), 0, np.array(self.values.shape) - 2).astype(np.int64)
        return low @ self.steps, np.clip(place - low, 0.0, 1.0)

    def at(self, points: Array) -> Values:
        """(n,) values at (n, 3) points, trilinear, the border repeated."""
        place = ((points - self.low) / self.pitch).T
        found = ndimage.map_coordinates(self.values, place, order=1, mode="nearest")
        return np.asarray(found, np.float32)

    def slopes(self, points: Array) -> Array:
        """(n, 3) unit directions in which the values rise at (n, 3) points, over two pitches."""
        moves = self.pitch * np.eye(3)
        rise = np.stack([self.at(points + move) - self.at(points - move) for move in moves], axis=1)
        return rise / np.maximum(np.linalg.norm(rise, axis=1, keepdims=True), 1e-9)

    def surface(self) -> tuple[Array, Faces]:
        """The zero set: (V, 3) mm, (F, 3) outward; closed where it meets the grid's border."""
        padded = np.pad(self.values, 1, constant_values=self.pitch)
        vertices, faces = marching_cubes(padded)
        return self.low + self.pitch * (vertices - 1), faces

    def refined(self, pitch: float) -> GridField:
        """The same field on a finer grid, or on a coarser one to look at."""
        counts = np.ceil((self.high - self.low) / pitch).astype(int) + 1
        axes = [np.arange(n) * (pitch / self.pitch) for n in counts]

        def between(places: Array) -> Values:
            found = ndimage.map_coordinates(self.values, places.T, order=1, mode="nearest")
            return np.asarray(found, np.float32)

        return GridField(by_slabs(between, axes, _SLAB), self.low, pitch)

    def redistanced(self, keep: float) -> GridField:
        """Values near the surface as they are, others as distances to where they were kept.

        Args:
            keep: half width of what is kept, nodes.
        """
        inside = self.values < 0
        out = np.asarray(ndimage.distance_transform_edt(~inside), np.float64) - 0.5
        deep = np.asarray(ndimage.distance_transform_edt(inside), np.float64) - 0.5
        rough = np.where(inside, -deep, out) * self.pitch
        values = np.where(np.abs(rough) <= keep * self.pitch, self.values, rough)
        return replace(self, values=values.astype(np.float32))


def sampled_field(
    function: Field, low: Array, pitch: float, counts: NDArray[np.int64], each: Callable[[], None]
) -> GridField:
    """A function of (n, 3) points, mm, on a grid; what NeuS and GS-Pull have learnt becomes a field so.

    Args:
        function: to mm.
        low: (3,) place of node 0, mm.
        pitch: distance of nodes, mm.
        counts: (3,) nodes along each axis.
        each: called before every slice, so that a caller can stop there.
    """
    return GridField(sampled(function, low, low + pitch * (counts - 1), counts, each), low, pitch)


def trilinear(place: Array) -> tuple[Array, Array]:
    """Weights (n, 8) of the corners of unit cells at places (n, 3), and their derivatives (n, 3, 8)."""
    bits = corner_offsets()
    both = np.stack([1 - place, place], axis=-1)  # (n, 3, 2)
    x, y, z = (both[:, k, bits[:, k]] for k in range(3))
    sign = 2 * bits - 1
    return x * y * z, np.stack([y * z * sign[:, 0], x * z * sign[:, 1], x * y * sign[:, 2]], axis=1)
