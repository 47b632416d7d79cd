"""Close the border of a crown with a smooth membrane of about its own edge length.

A border loop is filled with rings that shrink towards its middle, sewn together; then the
inner vertices are moved to where each is the mean of its neighbours. That is the discrete
harmonic surface: it needs no plane to project to, so loops that climb between teeth are
closed as well as flat ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import spsolve

from teethscape.dataset.scans.patch import border_loops
from teethscape.mesh.solid import Solid

#: Smallest ring; the middle is one vertex.
_LEAST = 5
_MOST_RINGS = 40


def closed(patch: Solid) -> tuple[Solid, NDArray[np.bool_], int]:
    """A closed outward mesh from a manifold with border.

    Args:
        patch: oriented; its border loops may have any form.

    Returns:
        The closed mesh (the patch's own vertices come first), (V,) true on caps with their
        borders, and how many loops were closed.
    """
    vertices, faces = patch.vertices, patch.faces.astype(np.int64)
    loops = border_loops(faces)
    for loop in loops:
        inner, cap_faces = _membrane(vertices[loop])
        names = np.concatenate([loop, np.arange(len(vertices), len(vertices) + len(inner))])
        vertices, faces = np.concatenate([vertices, inner]), np.concatenate([faces, names[cap_faces]])
    cap = np.zeros(len(vertices), bool)
    cap[len(patch.vertices) :] = True
    cap[np.concatenate([np.zeros(0, np.int64), *loops])] = True
    if volume(vertices, faces) < 0:
        faces = faces[:, ::-1]
    return Solid(patch.name, vertices, faces.astype(np.int32)), cap, len(loops)


def volume(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> float:
    """Signed volume of a closed mesh, positive when its faces run outward."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def _membrane(loop: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Inner vertices (n, 3) and faces over ``loop`` followed by them; faces run against the loop."""
    count = len(loop)
    if count == 3:
        return np.zeros((0, 3)), np.array([[2, 1, 0]])
    rings = _ring_sizes(loop)
    faces: list[NDArray[np.int64]] = []
    start = 0
    for outer, inner in zip((count, *rings), (*rings, 1), strict=True):
        faces.append(_sewn(start, outer, start + outer, inner))
        start += outer
    all_faces = np.concatenate(faces)
    return _harmonic(loop, all_faces, start + 1 - count), all_faces


def _ring_sizes(loop: NDArray[np.floating]) -> list[int]:
    """Vertices of each inner ring, so that edges stay about as long as those of the loop."""
    edge = np.linalg.norm(np.roll(loop, -1, axis=0) - loop, axis=1).mean()
    radius = np.linalg.norm(loop - loop.mean(axis=0), axis=1).mean()
    steps = int(np.clip(round(radius / max(edge, 1e-9)), 1, _MOST_RINGS))
    shares = 1.0 - np.arange(1, steps) / steps
    return [max(_LEAST, round(len(loop) * share)) for share in shares]


def _sewn(first: int, outer: int, second: int, inner: int) -> NDArray[np.int64]:
    """Triangles between a ring of ``outer`` vertices from ``first`` and one of ``inner`` from ``second``."""
    if inner == 1:
        k = np.arange(outer)
        return np.stack([first + (k + 1) % outer, first + k, np.full(outer, second)], axis=1)
    faces, a, b = [], 0, 0
    while a < outer or b < inner:
        here, there = first + a % outer, second + b % inner
        if b == inner or (a < outer and (a + 1) * inner <= (b + 1) * outer):
            faces.append((first + (a + 1) % outer, here, there))
            a += 1
        else:
            faces.append((there, second + (b + 1) % inner, here))
            b += 1
    return np.array(faces, np.int64)


def _harmonic(loop: NDArray, faces: NDArray[np.int64], inner: int) -> NDArray[np.float64]:
    """Places of the inner vertices: each is the mean of its neighbours."""
    total = len(loop) + inner
    edges = np.unique(
        np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0
    )
    ones = np.ones(len(edges))
    half = coo_array((ones, (edges[:, 0], edges[:, 1])), (total, total))
    adjacency = csr_array(half + half.T)
    degree = np.asarray(adjacency.sum(axis=1)).reshape(-1)
    laplacian = csr_array((degree, (np.arange(total), np.arange(total))), (total, total)) - adjacency
    laplacian = csr_array(laplacian)[len(loop) :]
    known = -(laplacian[:, : len(loop)] @ loop)
    solved = spsolve(laplacian[:, len(loop) :].tocsc(), known)
    return np.asarray(solved).reshape(inner, 3)
