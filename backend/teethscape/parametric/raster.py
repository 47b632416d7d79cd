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
    a, b, c = (pixels[faces[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return np.flatnonzero((area < -_MIN_AREA) & (depth[faces] > _NEAR_MM).all(axis=1))  # y points down


def _candidates(corners: NDArray[np.float32], width: int, height: int) -> tuple[NDArray, NDArray, NDArray]:
    """All (triangle, x, y) with the pixel inside the triangle's bounding box."""
    low = np.maximum(np.ceil(corners.min(axis=1)).astype(np.int32), 0)
    high = np.minimum(np.floor(corners.max(axis=1)).astype(np.int32), [width - 1, height - 1])
    size = np.maximum(high - low + 1, 0)
    count = size[:, 0] * size[:, 1]
    triangle = np.repeat(np.arange(len(corners), dtype=np.int32), count)
    start = np.repeat((np.cumsum(count) - count).astype(np.int32), count)
    ordinal = np.arange(len(triangle), dtype=np.int32) - start
    row = ordinal // size[triangle, 0]
    return triangle, low[triangle, 0] + ordinal - row * size[triangle, 0], low[triangle, 1] + row


def _barycentric(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Affine maps (m, 2, 3): (x, y, 1) -> the weights of corners 1 and 2."""
    a = corners[:, 0]
    u, v = corners[:, 1] - a, corners[:, 2] - a
    det = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    out = np.empty((len(corners), 2, 3), np.float32)
    out[:, 0, 0], out[:, 0, 1] = v[:, 1] / det, -v[:, 0] / det
    out[:, 1, 0], out[:, 1, 1] = -u[:, 1] / det, u[:, 0] / det
    out[:, :, 2] = -(out[:, :, 0] * a[:, :1] + out[:, :, 1] * a[:, 1:])
    return out


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
        corners = pixels[soup.faces[front]].astype(np.float32)
        inverse = (1.0 / local[soup.faces[front], 2]).astype(np.float32)
        triangle, x, y = _candidates(corners, width, height)
        weights = _barycentric(corners)
        m = weights[triangle]
        w1 = m[:, 0, 0] * x + m[:, 0, 1] * y + m[:, 0, 2]
        w2 = m[:, 1, 0] * x + m[:, 1, 1] * y + m[:, 1, 2]
        inside = np.flatnonzero((w1 >= 0) & (w2 >= 0) & (w1 + w2 <= 1))
        triangle, w1, w2 = triangle[inside], w1[inside], w2[inside]
        pixel = y[inside] * width + x[inside]
        i = inverse[triangle]
        value = i[:, 0] + w1 * (i[:, 1] - i[:, 0]) + w2 * (i[:, 2] - i[:, 0])
        _resolve(face, depth, (pixel, triangle, value))
        face = np.where(face >= 0, front[np.maximum(face, 0)], -1).astype(np.int32)
    owner = np.where(face >= 0, soup.owner[np.maximum(face, 0)], -1).astype(np.int32)
    shape = (height, width)
    return IdBuffer(face.reshape(shape), owner.reshape(shape), depth.reshape(shape))


def _resolve(face: NDArray, depth: NDArray, fragments: tuple[NDArray, NDArray, NDArray]) -> None:
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
