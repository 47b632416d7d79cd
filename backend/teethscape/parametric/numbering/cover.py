"""Which of a few pixels are covered by a tooth that is not asked for, without drawing a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.camera import Camera
from teethscape.parametric.raster import front_faces
from teethscape.parametric.rotation import FloatArray

#: How far beyond an edge a pixel's centre still counts as inside, px^2, so that no gap opens between faces.
_OVERLAP = 1e-6


@dataclass(frozen=True)
class Crowns:
    """Meshes of the teeth that a view shows.

    Attributes:
        teeth: their indices.
        points: (28, P, 3) vertices of all teeth in the world, mm.
        faces: per tooth of all (F, 3), outward.
    """

    teeth: list[int]
    points: FloatArray
    faces: tuple[NDArray[np.int32], ...]


@dataclass(frozen=True)
class _Faces:
    """Faces turned to the camera, as functions of a pixel (x, y, 1).

    Attributes:
        affine: (4, m, 3) the three edges, not above 0 within the face, and 1/z.
        start: (teeth + 1,) where each tooth's faces begin.
        box: (4, teeth) left, top, right and bottom of each tooth, px.
    """

    affine: FloatArray
    start: NDArray[np.intp]
    box: FloatArray


def _faces(crowns: Crowns, camera: Camera) -> _Faces:
    """All faces of the crowns that a camera sees."""
    count = crowns.points.shape[1]
    pixels, depth = camera.project_columns(crowns.points.reshape(-1, 3))
    x, y = pixels
    parts = [crowns.faces[tooth] + tooth * count for tooth in crowns.teeth]
    faces = np.concatenate(parts)
    front = front_faces((x, y), depth, faces)
    start = np.searchsorted(front, np.cumsum([0, *map(len, parts)]))
    corners = faces[front].T
    px, py = x[corners], y[corners]
    # Edge k runs from corner k + 1 to k + 2 and faces corner k.
    ahead, behind = np.array([1, 2, 0]), np.array([2, 0, 1])
    a, b = py[ahead] - py[behind], px[behind] - px[ahead]
    edge = np.stack([a, b, -a * px[ahead] - b * py[ahead]], axis=2)
    area = a[0] * (px[0] - px[1]) + b[0] * (py[0] - py[1])
    inverse = (edge * (1.0 / depth)[corners][:, :, None]).sum(axis=0) / area[:, None]
    seen = pixels.reshape(2, *crowns.points.shape[:2])[:, crowns.teeth]
    return _Faces(np.concatenate([edge, inverse[None]]), start, np.concatenate([seen.min(2), seen.max(2)]))


def behind_others(
    crowns: Crowns, camera: Camera, pixels: FloatArray, tooth: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """True where another tooth than the asked one lies nearest.

    Args:
        crowns: what there is.
        camera: through which they are seen.
        pixels: (n, 2) centres of pixels.
        tooth: (n,) the tooth that is expected there.
    """
    faces = _faces(crowns, camera)
    place = np.column_stack([pixels, np.ones(len(pixels))]).T
    x, y = place[:2]
    left, top, right, bottom = faces.box[:, :, None]
    near = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    own, other = np.zeros(len(x)), np.zeros(len(x))
    for k, index in enumerate(crowns.teeth):
        asked = np.flatnonzero(near[k])
        value = faces.affine[:, faces.start[k] : faces.start[k + 1]] @ place[:, asked]
        if not value.size:
            continue
        inside = value[:3].max(axis=0) <= _OVERLAP
        depth = np.where(inside, value[3], 0.0).max(axis=0)
        mine = tooth[asked] == index
        own[asked[mine]] = depth[mine]
        rest = asked[~mine]
        other[rest] = np.maximum(other[rest], depth[~mine])
    return other > own
