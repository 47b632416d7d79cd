"""Which triangles a cube of eight signed corners holds, worked out from its faces.

On every face the crossed edges are joined in pairs; where all four are crossed the corners inside the
surface are kept apart. The rule looks at the face's corners alone, so neighbouring cubes agree and
the surface is closed. Pairs form loops, loops become triangles. No diagonal lies in a face of the
cube, because the neighbour might draw the same one; every one of the 256 cases can be cut so.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

#: Corner k of a cube lies at (k & 1, k >> 1 & 1, k >> 2 & 1); edges join corners that differ in one bit.
EDGES: tuple[tuple[int, int], ...] = tuple((a, b) for a, b in combinations(range(8), 2) if a ^ b in (1, 2, 4))
_EDGE_OF = {edge: number for number, edge in enumerate(EDGES)}
#: Corners of the six faces, counter-clockwise seen from outside.
_FACES = ((0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6))
Loop = tuple[int, ...]


def _edge(a: int, b: int) -> int:
    return _EDGE_OF[min(a, b), max(a, b)]


def _links(inside: int) -> dict[int, int]:
    """Crossed edge to the next one of its loop."""
    out = {}
    for face in _FACES:
        flags = [inside >> corner & 1 for corner in face]
        leaving = [k for k in range(4) if flags[k] and not flags[(k + 1) % 4]]
        for k in leaving:
            back = next(j % 4 for j in range(k, k - 4, -1) if not flags[(j - 1) % 4])
            out[_edge(face[(back - 1) % 4], face[back])] = _edge(face[k], face[(k + 1) % 4])
    return out


def loops(inside: int) -> list[Loop]:
    """Closed loops of crossed edges for a set of inside corners (a bit each)."""
    links, found = _links(inside), []
    while links:
        edge, way = next(iter(links)), []
        while edge in links:
            way.append(edge)
            edge = links.pop(edge)
        found.append(tuple(way))
    return found


def _share_face(one: int, two: int) -> bool:
    corners = {*EDGES[one], *EDGES[two]}
    return any(corners <= set(face) for face in _FACES)


def _cut(loop: Loop) -> list[Loop] | None:
    """Triangles of a loop without a diagonal in a face of the cube, or None."""
    if len(loop) == 3:
        return [loop]
    for k in range(len(loop)):
        before, tip, after = (loop[(k + d) % len(loop)] for d in (-1, 0, 1))
        if not _share_face(before, after):
            rest = _cut(loop[:k] + loop[k + 1 :])
            if rest is not None:
                return [(before, tip, after), *rest]
    return None


@cache
def triangles(inside: int) -> NDArray[np.int64]:
    """(t, 3) edge numbers of the triangles of a case, outward."""
    parts = [_cut(loop) for loop in loops(inside)]
    found = [triangle for part in parts if part for triangle in part]
    return np.array(found, np.int64).reshape(-1, 3)


def corner_offsets() -> NDArray[np.int64]:
    """(8, 3) places of the corners."""
    return np.array([[k & 1, k >> 1 & 1, k >> 2 & 1] for k in range(8)])
