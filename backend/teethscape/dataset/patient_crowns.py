"""Crowns as meshes in the world, and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.parametric.rotation import FloatArray

_CELL_MM = 0.5


@dataclass(frozen=True)
class Crown:
    """One tooth of a synthetic patient.

    Attributes:
        fdi: tooth number.
        vertices: (V, 3) mm, world frame.
        faces: (F, 3) outward.
        cap: (V,) True on the artificial closing surface at the neck.
        axes: (3, 3) columns mesial, buccal, occlusal in the world frame.
    """

    fdi: int
    vertices: FloatArray
    faces: NDArray[np.int32]
    cap: NDArray[np.bool_]
    axes: FloatArray

    @property
    def jaw(self) -> Jaw:
        """Jaw of the crown."""
        return jaw_of(self.fdi)

    @property
    def centre(self) -> FloatArray:
        """(3,) mean of the vertices, mm."""
        return self.vertices.mean(axis=0)

    def moved(self, shift: FloatArray) -> Crown:
        """The crown after a translation (3,) in mm."""
        return replace(self, vertices=self.vertices + shift)

    def turned(self, rotation: FloatArray, pivot: FloatArray) -> Crown:
        """The crown after a rotation (3, 3) about ``pivot`` (3,)."""
        vertices = (self.vertices - pivot) @ rotation.T + pivot
        return replace(self, vertices=vertices, axes=rotation @ self.axes)

    def width(self) -> float:
        """Mesiodistal width in mm: extent along the mesial axis, neck cap left out."""
        along = self.vertices[~self.cap] @ self.axes[:, 0]
        return float(along.max() - along.min())


def gap_along(first: FloatArray, second: FloatArray, direction: FloatArray) -> float:
    """Free way in mm of ``second`` towards ``first`` along ``-direction``.

    Negative where the two vertex clouds (n, 3) overlap; infinite where one passes
    beside the other.
    """
    side = np.linalg.svd(direction[None])[2][1:]  # two axes across the direction
    low = np.minimum((first @ side.T).min(axis=0), (second @ side.T).min(axis=0))
    cells_a = ((first @ side.T - low) / _CELL_MM).astype(int)
    cells_b = ((second @ side.T - low) / _CELL_MM).astype(int)
    size = np.maximum(cells_a.max(axis=0), cells_b.max(axis=0)) + 1
    front = np.full(size, -np.inf)
    back = np.full(size, np.inf)
    np.maximum.at(front, tuple(cells_a.T), first @ direction)
    np.minimum.at(back, tuple(cells_b.T), second @ direction)
    return float((back - front).min())
