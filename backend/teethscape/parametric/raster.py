"""Z-buffer of triangle meshes in plain numpy: which tooth and face each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.camera import Camera
from teethscape.parametric.rotation import FloatArray

#: Owner of faces that are no tooth's.
NO_TOOTH = -1
_NEAR_MM = 1.0
#: Twice the area in px^2 below which a face is seen edge-on and left out.
_MIN_AREA = 1e-3
_DEPTH_BITS = 1 << 20
#: Rows reach this far beyond an edge, px, so that no gap opens between triangles.
_OVERLAP = 1e-6
#: Smallest height of an edge, px, that a slope is divided by.
_FLAT = 1e-12
#: Flat pixel, triangle and 1/z, each (n,).
_Fragments = tuple[NDArray, NDArray, NDArray]


@dataclass(frozen=True)
class TriangleSoup:
    """Meshes of one scene, joined.

    Attributes:
        vertices: (n, 3) world, mm.
        faces: (m, 3) outward.
        owner: (m,) label of each face, drawn as they are; ``NO_TOOTH``: none.
    """

    vertices: FloatArray
    faces: NDArray[np.int32]
    owner: NDArray[np.int32]


@dataclass(frozen=True)
class IdBuffer:
    """What a camera sees.

    Attributes:
        face: (h, w) index of the visible face, -1 where none.
        owner: (h, w) label of the visible face, -1 where none.
        depth: (h, w) distance along the optical axis in mm, inf where none.
    """

    face: NDArray[np.int32]
    owner: NDArray[np.int32]
    depth: NDArray[np.float32]


def front_faces(
    pixels: tuple[FloatArray, FloatArray], depth: FloatArray, faces: NDArray[np.int32]
) -> NDArray[np.intp]:
    """Faces (m, 3) turned to the camera and in front of it, of vertices' pixels (n,) each and depths (n,)."""
    x, y = pixels
    a, b, c = np.ascontiguousarray(faces.T)
    area = (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])
    near = depth > _NEAR_MM
    return np.flatnonzero((area < -_MIN_AREA) & near[a] & near[b] & near[c])  # y points down


@dataclass(frozen=True)
class _Rows:
    """One row of pixels inside one triangle.

    Attributes:
        triangle: (n,) which triangle.
        row: (n,) which row.
        first: (n,) first column; may lie left of the picture.
        last: (n,) last column; below ``first`` where no pixel's centre is inside.
    """

    triangle: NDArray[np.int32]
    row: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]


def _within(size: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number of the group and place within it for groups of the given sizes."""
    group = np.repeat(np.arange(len(size), dtype=np.int32), size)
    start = (np.cumsum(size) - size).astype(np.int32)
    return group, np.arange(len(group), dtype=np.int32) - start[group]


def _by_height(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Corners (3, m) of triangles from the topmost to the lowest; numpy sorts threes slowly."""
    x, y = x.copy(), y.copy()
    for one, other in ((0, 1), (1, 2), (0, 1)):
        swap = y[one] > y[other]
        x[one], x[other] = np.where(swap, x[other], x[one]), np.where(swap, x[one], x[other])
        y[one], y[other] = np.minimum(y[one], y[other]), np.maximum(y[one], y[other])
    return x, y


def _rows(x: FloatArray, y: FloatArray, camera: Camera) -> _Rows:
    """All rows of pixels that triangles (3, m) cover.

    The edge from the topmost to the lowest corner bounds a row on one side, one of the
    two shorter edges on the other.
    """
    x, y = _by_height(x, y)
    top = np.maximum(np.ceil(y[0]), 0).astype(np.int32)
    count = np.minimum(np.floor(y[2]), camera.height - 1).astype(np.int32) - top + 1
    triangle, down = _within(np.maximum(count, 0))
    row = top[triangle] + down
    rise = np.maximum(y[[2, 1, 2]] - y[[0, 0, 1]], _FLAT)
    slope = (x[[2, 1, 2]] - x[[0, 0, 1]]) / rise
    across = x[[0, 0, 1]] - slope * y[[0, 0, 1]]
    long = slope[0][triangle] * row + across[0][triangle]
    edge = triangle + x.shape[1] * (row > y[1][triangle])
    short = slope[1:].ravel()[edge] * row + across[1:].ravel()[edge]
    first = np.ceil(np.minimum(long, short) - _OVERLAP).astype(np.int32)
    last = np.floor(np.maximum(long, short) + _OVERLAP).astype(np.int32)
    return _Rows(triangle, row, np.maximum(first, 0), np.minimum(last, camera.width - 1))


def _fragments(x: FloatArray, y: FloatArray, inverse: FloatArray, camera: Camera) -> _Fragments:
    """Every pixel centre inside a triangle, with the triangle and 1/z (affine in the picture)."""
    ux, uy, vx, vy = x[1] - x[0], y[1] - y[0], x[2] - x[0], y[2] - y[0]
    det, du, dv = ux * vy - uy * vx, inverse[1] - inverse[0], inverse[2] - inverse[0]
    along, down = (du * vy - dv * uy) / det, (dv * ux - du * vx) / det
    rows = _rows(x, y, camera)
    t = rows.triangle
    start = inverse[0][t] + along[t] * (rows.first - x[0][t]) + down[t] * (rows.row - y[0][t])
    span, step = _within(np.maximum(rows.last - rows.first + 1, 0))
    pixel = (rows.row * camera.width + rows.first)[span] + step
    return pixel, t[span], start[span] + along[t][span] * step


def render_ids(soup: TriangleSoup, camera: Camera) -> IdBuffer:
    """Draw the soup through a camera, hidden surfaces removed.

    Depth is interpolated in 1/z, so it is exact; two surfaces closer than about
    1e-6 of the depth range may be exchanged.
    """
    local = camera.to_camera(soup.vertices)
    pixels = camera.focal * local[:, :2] / local[:, 2:] + camera.principal
    columns = np.ascontiguousarray(pixels[:, 0]), np.ascontiguousarray(pixels[:, 1])
    front = front_faces(columns, local[:, 2], soup.faces)
    corners = np.ascontiguousarray(soup.faces[front].T)
    x, y = (column[corners] for column in columns)
    fragments = _fragments(x, y, (1.0 / local[:, 2])[corners], camera)
    shape = (camera.height, camera.width)
    out = IdBuffer(
        np.full(shape, -1, np.int32), np.full(shape, -1, np.int32), np.full(shape, np.inf, np.float32)
    )
    if len(fragments[0]):
        hit, triangle, depth = _nearest(fragments, camera.width * camera.height)
        face = front[triangle]
        out.face.ravel()[hit], out.owner.ravel()[hit], out.depth.ravel()[hit] = face, soup.owner[face], depth
    return out


def _nearest(fragments: _Fragments, pixels: int) -> _Fragments:
    """The nearest fragment (largest 1/z) of every pixel that has one: pixel, triangle, z."""
    pixel, triangle, inverse = fragments
    low, high = float(inverse.min()), float(inverse.max())
    rank = ((inverse - low) * ((_DEPTH_BITS - 1) / max(high - low, 1e-12))).astype(np.int64)
    best = np.full(pixels, -1, np.int64)
    np.maximum.at(best, pixel, (rank << 32) | np.arange(len(pixel), dtype=np.int64))
    hit = np.flatnonzero(best >= 0)
    chosen = best[hit] & 0xFFFFFFFF
    return hit, triangle[chosen], 1.0 / inverse[chosen]


def hit_weights(buffer: IdBuffer, soup: TriangleSoup, camera: Camera) -> tuple[NDArray[np.intp], FloatArray]:
    """Hit pixels (flat) and their barycentric weights (n, 3), exact in perspective."""
    hit = np.flatnonzero(buffer.face.ravel() >= 0)
    y, x = np.divmod(hit, camera.width)
    depth = buffer.depth.ravel()[hit].astype(float)
    plane = (np.stack([x, y], 1) - camera.principal) / camera.focal
    point = np.column_stack([plane * depth[:, None], depth])
    corners = camera.to_camera(soup.vertices)[soup.faces[buffer.face.ravel()[hit]]]
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(edge1, edge2)
    scale = np.maximum(np.einsum("ij,ij->i", normal, normal), 1e-12)
    offset = point - corners[:, 0]
    w1 = np.einsum("ij,ij->i", np.cross(offset, edge2), normal) / scale
    w2 = np.einsum("ij,ij->i", np.cross(edge1, offset), normal) / scale
    weights = np.clip(np.column_stack([1 - w1 - w2, w1, w2]), 0, 1)
    return hit, weights / weights.sum(axis=1, keepdims=True)
