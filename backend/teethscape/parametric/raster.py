"""Z-buffer of triangle meshes in plain numpy: which tooth and face each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.camera import Camera
from teethscape.parametric.rotation import FloatArray

_NEAR_MM = 1.0
#: Twice the area in px^2 below which a face is seen edge-on and left out.
_MIN_AREA = 1e-3
_DEPTH_BITS = 1 << 20
#: Flat pixel, triangle and 1/z, each (n,).
_Fragments = tuple[NDArray, NDArray, NDArray]


@dataclass(frozen=True)
class TriangleSoup:
    """Meshes of one scene, joined.

    Attributes:
        vertices: (n, 3) world, mm.
        faces: (m, 3) outward.
        owner: (m,) label of each face, >= 0; drawn as they are.
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


def _front_faces(pixels: FloatArray, depth: FloatArray, faces: NDArray[np.int32]) -> NDArray[np.intp]:
    """Faces turned to the camera and in front of it."""
    x, y = np.ascontiguousarray(pixels.T)
    a, b, c = np.ascontiguousarray(faces.T)
    area = (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])
    near = depth > _NEAR_MM
    return np.flatnonzero((area < -_MIN_AREA) & near[a] & near[b] & near[c])  # y points down


def _span(corners: NDArray[np.float32], size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """First pixel and number of pixels of triangles (3, m) along one axis."""
    low = np.minimum(np.minimum(corners[0], corners[1]), corners[2])
    high = np.maximum(np.maximum(corners[0], corners[1]), corners[2])
    first = np.maximum(np.ceil(low).astype(np.int32), 0)
    last = np.minimum(np.floor(high).astype(np.int32), size - 1)
    return first, np.maximum(last - first + 1, 0)


def _candidates(
    x: NDArray[np.float32], y: NDArray[np.float32], camera: Camera
) -> tuple[NDArray, NDArray, NDArray]:
    """All (triangle, column, row) with the pixel inside the triangle's bounding box."""
    left, width = _span(x, camera.width)
    top, height = _span(y, camera.height)
    count = width * height
    triangle = np.repeat(np.arange(len(count), dtype=np.int32), count)
    start = np.repeat((np.cumsum(count) - count).astype(np.int32), count)
    ordinal = np.arange(len(triangle), dtype=np.int32) - start
    across = width[triangle]
    row = ordinal // across
    return triangle, left[triangle] + ordinal - row * across, top[triangle] + row


def _affine(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """(6, m): coefficients of x, y and 1 of the weights of corners 1 and 2."""
    ux, uy, vx, vy = x[1] - x[0], y[1] - y[0], x[2] - x[0], y[2] - y[0]
    det = ux * vy - uy * vx
    ax, ay, bx, by = vy / det, -vx / det, -uy / det, ux / det
    return np.stack([ax, ay, -(ax * x[0] + ay * y[0]), bx, by, -(bx * x[0] + by * y[0])])


def _fragments(
    x: NDArray[np.float32], y: NDArray[np.float32], inverse: NDArray, camera: Camera
) -> _Fragments:
    """Every pixel centre inside a triangle, with the triangle and 1/z."""
    triangle, column, row = _candidates(x, y, camera)
    c = [coefficient[triangle] for coefficient in _affine(x, y)]
    w1 = c[0] * column + c[1] * row + c[2]
    w2 = c[3] * column + c[4] * row + c[5]
    inside = np.flatnonzero((w1 >= 0) & (w2 >= 0) & (w1 + w2 <= 1))
    triangle, w1, w2 = triangle[inside], w1[inside], w2[inside]
    i0, i1, i2 = (i[triangle] for i in inverse)
    return row[inside] * camera.width + column[inside], triangle, i0 + w1 * (i1 - i0) + w2 * (i2 - i0)


def render_ids(soup: TriangleSoup, camera: Camera) -> IdBuffer:
    """Draw the soup through a camera, hidden surfaces removed.

    Depth is interpolated in 1/z, so it is exact; two surfaces closer than about
    1e-6 of the depth range may be exchanged.
    """
    width, height = camera.width, camera.height
    local = camera.to_camera(soup.vertices)
    pixels = camera.focal * local[:, :2] / local[:, 2:] + camera.principal
    front = _front_faces(pixels, local[:, 2], soup.faces)
    face = np.full(width * height, -1, np.int32)
    depth = np.full(width * height, np.inf, np.float32)
    if len(front):
        corners = np.ascontiguousarray(soup.faces[front].T)
        x, y = (pixels[:, k].astype(np.float32)[corners] for k in range(2))
        inverse = (1.0 / local[:, 2]).astype(np.float32)[corners]
        _resolve(face, depth, _fragments(x, y, inverse, camera))
        face = np.where(face >= 0, front[np.maximum(face, 0)], -1).astype(np.int32)
    owner = np.where(face >= 0, soup.owner[np.maximum(face, 0)], -1).astype(np.int32)
    shape = (height, width)
    return IdBuffer(face.reshape(shape), owner.reshape(shape), depth.reshape(shape))


def _resolve(face: NDArray, depth: NDArray, fragments: _Fragments) -> None:
    """Keep the nearest fragment (largest 1/z) of every pixel, in place."""
    pixel, triangle, inverse = fragments
    if not len(pixel):
        return
    low, high = float(inverse.min()), float(inverse.max())
    rank = ((inverse - low) / max(high - low, 1e-12) * (_DEPTH_BITS - 1)).astype(np.int64)
    key = (rank << 32) | np.arange(len(pixel), dtype=np.int64)
    best = np.full(len(face), -1, np.int64)
    np.maximum.at(best, pixel, key)
    hit = np.flatnonzero(best >= 0)
    chosen = best[hit] & 0xFFFFFFFF
    face[hit] = triangle[chosen]
    depth[hit] = 1.0 / inverse[chosen]
