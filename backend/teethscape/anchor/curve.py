"""The line of an arch from the patient's right to the left, in the occlusal plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial
from scipy.spatial import KDTree

from teethscape.anchor.jaw import Array, FittedJaw

#: Degrees across and along the mouth: a U, whatever single teeth do.
_DEGREES = (6, 6)
#: Distance of the samples, and how far the line goes on straight beyond the last teeth's centres, mm.
_STEP_MM, _BEYOND_MM = 0.25, 16.0


@dataclass(frozen=True, eq=False)
class ArchLine:
    """A smooth line through the teeth's centres.

    Attributes:
        points: (n, 2) x and y of its samples, mm.
        tangents: (n, 2) unit, towards the patient's left.
        way: (n,) length from the first sample, mm.
        tree: over ``points``.
    """

    points: Array
    tangents: Array
    way: Array
    tree: KDTree

    @property
    def length(self) -> float:
        """From the first to the last sample, mm."""
        return float(self.way[-1])

    def found(self, points: Array) -> tuple[Array, Array]:
        """Way along the line (n,), mm, and tangents (n, 3) nearest to (n, 3) points."""
        index = self.tree.query(points[:, :2])[1]
        along = ((points[:, :2] - self.points[index]) * self.tangents[index]).sum(axis=1)
        return self.way[index] + along, np.pad(self.tangents[index], ((0, 0), (0, 1)))


def arch_line(jaw: FittedJaw) -> ArchLine:
    """The line of a fitted jaw."""
    owner = np.zeros(len(jaw.soup.vertices), int)
    owner[jaw.soup.faces] = jaw.soup.owner[:, None]
    counts = np.bincount(owner)[:, None]
    centres = np.stack([np.bincount(owner, jaw.soup.vertices[:, k]) for k in range(2)], axis=1) / counts
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(centres, axis=0), axis=1))])
    degrees = [min(degree, len(centres) - 1) for degree in _DEGREES]
    lines = [Polynomial.fit(way, centres[:, k], degree) for k, degree in enumerate(degrees)]
    inner = np.linspace(0, way[-1], max(int(way[-1] / _STEP_MM), 2))
    points = np.stack([line(inner) for line in lines], axis=1)
    tangents = np.stack([line.deriv()(inner) for line in lines], axis=1)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    more = np.arange(_STEP_MM, _BEYOND_MM, _STEP_MM)[:, None]
    points = np.concatenate([points[0] - more[::-1] * tangents[0], points, points[-1] + more * tangents[-1]])
    tangents = np.pad(tangents, ((len(more), len(more)), (0, 0)), mode="edge")
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return ArchLine(points, tangents, np.concatenate([[0.0], np.cumsum(steps)]), KDTree(points))
