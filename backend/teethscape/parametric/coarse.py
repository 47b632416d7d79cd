"""Crowns of few faces, for the many looks that the search for a camera takes.

Some vertices of the template are kept, spread evenly over the crown and along its neck; the others belong to
the nearest of them along the surface.  A triangle whose corners belong to three different ones is a face
between these: the dual of their Voronoi diagram (Peyre and Cohen 2006, Geodesic remeshing).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch
from teethscape.parametric.prior import ToothPrior, once_per_shapes
from teethscape.parametric.raster import NO_TOOTH, TriangleSoup
from teethscape.parametric.rims import vertices_in_view
from teethscape.parametric.rotation import FloatArray

#: Vertices that are kept of each crown, and each which one of the neck's loop.
_KEPT, _NECK = 260, 2


@dataclass(frozen=True)
class CoarseCrown:
    """The template with few faces.

    Attributes:
        rows: (K,) vertices that are kept.
        faces: (F, 3) among them, outward in local coordinates.
        cap: (F,) true on the neck's closure.
    """

    rows: NDArray[np.intp]
    faces: NDArray[np.int32]
    cap: NDArray[np.bool_]


@once_per_shapes
def coarse_crown(prior: ToothPrior) -> CoarseCrown:
    """The template of a prior with few faces, made once."""
    points = np.mean([shape.mean for shape in prior.shapes.values()], axis=0)
    graph = _edges(points, prior.faces)
    rows = list(map(int, prior.neck[::_NECK]))
    away = dijkstra(graph, directed=False, indices=rows, min_only=True)
    while len(rows) < min(_KEPT, len(points)):
        rows.append(int(np.argmax(away)))
        away = np.minimum(away, dijkstra(graph, directed=False, indices=rows[-1]))
    nearest = dijkstra(graph, directed=False, indices=rows, min_only=True, return_predecessors=True)[2]
    place = np.zeros(len(points), np.int32)
    place[rows] = np.arange(len(rows))
    corners = place[nearest][prior.faces]
    whole = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    return CoarseCrown(np.array(rows, np.intp), corners[whole], prior.cap_faces[whole])


def _edges(points: FloatArray, faces: NDArray[np.int32]) -> csr_array:
    """(V, V) lengths of a mesh's edges."""
    ends = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])), axis=0)
    length = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    return coo_array((length, tuple(ends.T)), shape=(len(points), len(points))).tocsr()


def coarse_soup(arch: Arch, teeth: list[int], view: View) -> TriangleSoup:
    """The teeth of a view as one mesh of few faces; ``owner`` is the index of the tooth, -1 on the caps."""
    crown = coarse_crown(arch.prior)
    turned = crown.faces[:, ::-1]
    mirrored = np.linalg.det(arch.prior.axes) < 0
    count = len(crown.rows)
    return TriangleSoup(
        np.concatenate([vertices_in_view(arch, i, view)[crown.rows] for i in teeth]),
        np.concatenate([(turned if mirrored[i] else crown.faces) + k * count for k, i in enumerate(teeth)]),
        np.concatenate([np.where(crown.cap, NO_TOOTH, i) for i in teeth]).astype(np.int32),
    )
