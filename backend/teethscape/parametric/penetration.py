"""Signed distances between crowns: where they overlap and where they touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.parametric.rotation import FloatArray


def vertex_normals(vertices: FloatArray, faces: NDArray[np.int32]) -> FloatArray:
    """(V, 3) outward unit normals, weighted by area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    count = len(vertices)
    sums = [np.bincount(faces.ravel(), np.repeat(cross[:, k], 3), minlength=count) for k in range(3)]
    out = np.stack(sums, axis=1)
    return out / np.maximum(np.linalg.norm(out, axis=1), 1e-12)[:, None]


@dataclass(frozen=True)
class Surface:
    """A closed crown prepared for distance queries.

    Attributes:
        vertices: (V, 3) mm.
        normals: (V, 3) outward.
        tree: search tree over the vertices.
    """

    vertices: FloatArray
    normals: FloatArray
    tree: KDTree

    @classmethod
    def of(cls, vertices: FloatArray, faces: NDArray[np.int32]) -> Surface:
        """Prepare a mesh with outward faces."""
        return cls(vertices, vertex_normals(vertices, faces), KDTree(vertices))

    def signed_distance(self, points: FloatArray, reach: float) -> tuple[FloatArray, NDArray[np.intp]]:
        """Distance (n,) to the tangent plane at the nearest vertex, and that vertex.

        Negative inside. Points farther than ``reach`` mm get infinity.
        """
        distance, nearest = self.tree.query(points, distance_upper_bound=reach)
        found = np.isfinite(distance)
        nearest = np.where(found, nearest, 0)
        signed = ((points - self.vertices[nearest]) * self.normals[nearest]).sum(axis=1)
        return np.where(found, signed, np.inf), nearest
