"""Crowns seen from inside: spherical parametrisation of a star-shaped surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack
from scipy.spatial import KDTree

FloatArray = NDArray[np.float64]
_CANDIDATES = 32
_SMOOTHINGS = 3
_REACH_MM = 2.5
#: Nearer than this the plane of the nearest sample tells the distance, else the sample itself.
_CLOSE_MM = 0.3
#: Share of the area that may be folded when the inner point is sought.
_FOLD_SHARE = 0.005


@dataclass(frozen=True)
class SurfacePoints:
    """Points on a triangulated surface.

    Attributes:
        corners: (n, 3) vertices of the face that holds each point.
        weights: (n, 3) barycentric weights.
    """

    corners: NDArray[np.int64]
    weights: FloatArray

    def of(self, field: FloatArray) -> FloatArray:
        """Values (..., n, c) of a per-vertex field (..., N, c) at the points."""
        return np.einsum("nk,...nkc->...nc", self.weights, field[..., self.corners, :])


@dataclass(frozen=True)
class InnerFrame:
    """From where, and along which axes, a crown is seen from inside.

    Attributes:
        centre: (3,) inner point, mm.
        turn: (3, 3) columns = the axes that directions are told in.
    """

    centre: FloatArray
    turn: FloatArray

    def to_local(self, directions: FloatArray) -> FloatArray:
        """Directions (n, 3) told in the inner axes, in local ones."""
        return directions @ self.turn.T

    def seen(self, points: FloatArray) -> FloatArray:
        """Points (n, 3) relative to the inner point, inner axes."""
        return (points - self.centre) @ self.turn


class StarSurface:
    """A closed surface that (almost) every ray from one inner point leaves once.

    Args:
        vertices: (N, 3) mm.
        faces: (M, 3) outward.
        frame: the inner point and axes.
    """

    def __init__(self, vertices: FloatArray, faces: NDArray[np.int64], frame: InnerFrame) -> None:
        self.vertices, self.faces, self.frame = vertices, faces, frame
        corners = frame.seen(vertices)[faces]
        self._inverse = np.linalg.pinv(np.swapaxes(corners, 1, 2))
        self._tree = KDTree(_unit(_unit(corners).sum(axis=1)))

    def cast(self, directions: FloatArray) -> SurfacePoints:
        """Where rays along (n, 3) unit directions, told in the inner axes, leave the surface."""
        near = np.asarray(self._tree.query(directions, k=_CANDIDATES)[1])
        weights = np.einsum("nkij,nj->nki", self._inverse[near], directions)
        best = np.argmax(weights.min(axis=2) / np.abs(weights).sum(axis=2), axis=1)
        rows = np.arange(len(directions))
        chosen = np.clip(weights[rows, best], 0.0, None)
        return SurfacePoints(self.faces[near[rows, best]], chosen / chosen.sum(axis=1, keepdims=True))

    def points(self, directions: FloatArray) -> FloatArray:
        """(n, 3) places of :meth:`cast`, mm."""
        return self.cast(directions).of(self.vertices)

    def smooth_normals(self) -> FloatArray:
        """(N, 3) outward normals, smoothed over a few rings of neighbours."""
        normals = vertex_normals(self.vertices, self.faces)
        for _ in range(_SMOOTHINGS):
            total = np.zeros_like(normals)
            np.add.at(total, self.faces.ravel(), np.repeat(normals[self.faces].sum(axis=1), 3, axis=0))
            normals = _unit(total)
        return normals


class Skin:
    """A crown's surface for signed distances: dense points with normals."""

    def __init__(self, vertices: FloatArray, faces: NDArray[np.int32]) -> None:
        steps = np.array([(i, j, 3 - i - j) for i in range(4) for j in range(4 - i)]) / 3
        normals = vertex_normals(vertices, faces)
        self._points = np.einsum("sk,fkc->fsc", steps, vertices[faces]).reshape(-1, 3)
        self._normals = np.einsum("sk,fkc->fsc", steps, normals[faces]).reshape(-1, 3)
        self._tree = KDTree(self._points)

    def nearest(self, points: FloatArray) -> tuple[float, int, FloatArray] | None:
        """Smallest signed distance, the point's index, and the skin's normal there."""
        found = self._tree.query(points, distance_upper_bound=_REACH_MM)
        distance, index = np.asarray(found[0]), np.asarray(found[1])
        rows = np.flatnonzero(np.isfinite(distance))
        if not len(rows):
            return None
        normals = self._normals[index[rows]]
        side = np.einsum("nc,nc->n", points[rows] - self._points[index[rows]], normals)
        side /= np.linalg.norm(normals, axis=1)
        signed = np.where(distance[rows] < _CLOSE_MM, side, np.sign(side) * distance[rows])
        best = int(np.argmin(signed))
        return float(signed[best]), int(rows[best]), _unit(normals[best])


def star_centre(vertices: FloatArray, faces: NDArray[np.int64]) -> FloatArray:
    """The point that lies deepest behind the planes of the faces, (3,) mm.

    A linear programme maximises r with n_f . (x_f - p) >= r - slack_f.  The slack
    is paid for by area, so a few folded slivers of the source cannot drag the
    point to one side.
    """
    vectors = area_vectors(vertices, faces)
    area = np.linalg.norm(vectors, axis=1)
    normals = _unit(vectors)
    offset = np.einsum("fi,fi->f", normals, vertices[faces[:, 0]])
    table = hstack([csr_array(np.column_stack([normals, np.ones(len(faces))])), -eye_array(len(faces))])
    cost = np.concatenate([[0, 0, 0, -1], area / (_FOLD_SHARE * area.sum())])
    bounds = [(None, None)] * 4 + [(0, None)] * len(faces)
    return linprog(cost, A_ub=table.tocsr(), b_ub=offset, bounds=bounds, method="highs").x[:3]


def vertex_normals(vertices: FloatArray, faces: NDArray) -> FloatArray:
    """(N, 3) area-weighted unit normals."""
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    np.add.at(total, faces.ravel(), np.repeat(cross, 3, axis=0))
    return _unit(total)


def area_vectors(vertices: FloatArray, faces: NDArray) -> FloatArray:
    """(M, 3) outward normals times the faces' areas, mm^2."""
    corners = vertices[faces]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2


def _unit(v: FloatArray) -> FloatArray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
