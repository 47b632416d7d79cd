"""A crown cut out of a scan as an oriented surface with a clean border.

Scans have edges with three faces, vertices where two sheets touch, and islands. Corners of faces
are joined only across edges that exactly two faces share in opposite directions; every group of
joined corners becomes a vertex of its own. What comes out is a manifold with border, always.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from teethscape.mesh.solid import Solid

Faces = NDArray[np.int64]


def faces_of_label(faces: Faces, labels: NDArray[np.integer], label: int) -> Faces:
    """Faces with at least two corners of a label, (F', 3)."""
    return faces[(labels[faces] == label).sum(axis=1) >= 2]


def clean_patch(name: str, vertices: NDArray[np.floating], faces: Faces) -> tuple[Solid, int]:
    """The largest piece of a surface as a manifold with border.

    Args:
        name: of the result.
        vertices: (V, 3) of the whole scan.
        faces: (F, 3) of the part.

    Returns:
        The piece, and how many faces of other pieces were left out.
    """
    faces = _proper(vertices, faces)
    pairs = _neighbours(faces)
    count, piece = connected_components(
        coo_array((np.ones(len(pairs)), (pairs[:, 0] // 3, pairs[:, 1] // 3)), (len(faces), len(faces))),
        directed=False,
    )
    sizes = np.bincount(piece, minlength=count)
    kept = piece == int(sizes.argmax())
    vertices, faces = _split(vertices, faces[kept])
    return Solid(name, vertices, faces), int(len(kept) - kept.sum())


def border_loops(faces: Faces) -> list[NDArray[np.int64]]:
    """Closed loops of border vertices, in the direction in which the faces run."""
    edges = np.concatenate([faces[:, [k, (k + 1) % 3]] for k in range(3)])
    known = {tuple(edge) for edge in edges.tolist()}
    following = {a: b for a, b in known if (b, a) not in known}
    loops = []
    while following:
        start, at = following.popitem()
        loop = [start]
        while at != start:
            loop.append(at)
            at = following.pop(at)
        loops.append(np.array(loop))
    return loops


def _proper(vertices: NDArray, faces: Faces) -> Faces:
    """Faces over merged vertices, without those of no area or given twice."""
    _, first, merged = np.unique(vertices, axis=0, return_index=True, return_inverse=True)
    faces = first[merged.reshape(-1)][faces]
    distinct = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    faces = faces[distinct]
    _, once = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return faces[np.sort(once)]


def _neighbours(faces: Faces) -> NDArray[np.int64]:
    """(n, 2) corners ``3 f + k`` whose edges to the next corner are the same, run both ways."""
    corners = np.arange(3 * len(faces))
    starts, ends = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    edges = np.stack([np.minimum(starts, ends), np.maximum(starts, ends)], axis=1)
    _, edge, uses = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
    edge = edge.reshape(-1)
    order = corners[uses[edge] == 2]
    order = order[np.argsort(edge[order], kind="stable")].reshape(-1, 2)
    return order[starts[order[:, 0]] == ends[order[:, 1]]]


def _split(vertices: NDArray, faces: Faces) -> tuple[NDArray[np.float64], Faces]:
    """Vertices of their own for every fan of faces; unused ones are dropped."""
    pairs = _neighbours(faces)
    following = pairs - pairs % 3 + (pairs + 1) % 3  # the other end of each edge
    joined = np.concatenate([
        np.stack([pairs[:, 0], following[:, 1]], axis=1), np.stack([following[:, 0], pairs[:, 1]], axis=1)
    ])  # fmt: skip
    size = 3 * len(faces)
    _, fan = connected_components(
        coo_array((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), (size, size)), directed=False
    )
    _, first, place = np.unique(fan, return_index=True, return_inverse=True)
    return np.asarray(vertices, np.float64)[faces.reshape(-1)[first]], place.reshape(-1, 3)
