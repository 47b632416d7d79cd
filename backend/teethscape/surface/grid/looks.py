"""What a view's pictures say at pixels: normals, how they change, and which may be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.camera import Camera
from teethscape.parametric.raster import TriangleSoup, render_ids
from teethscape.surface.grid.room import squared
from teethscape.surface.hull import mask_distances
from teethscape.surface.mesh.marching import Array, Faces
from teethscape.surface.tangents import WHOLE_PX
from teethscape.surface.views import FLIP, Views, directed

#: Smoothing before the slope of normals is taken, and before they are weighed, px, and what noise adds. A
#: wide one flattens slopes, and the surface is then laid too deep; a narrow one takes noise for slopes.
_BLUR, _BLUR_BY_NOISE = 0.7, 12.0
#: The same before normals of several views are compared at places between pixels: facets must not show.
_WIDE = 1.2
#: How far normals of crowns are off their neighbours without any noise: there are facets and furrows.
_FACETS = 0.06
#: Neighbours whose normals differ more than this (cosine) lie on other surfaces.
_SAME = 0.75


@dataclass(frozen=True, eq=False)
class Look:
    """One view, prepared.

    Attributes:
        camera: for rasterising; works in mm.
        mask: (h, w).
        edge: (h, w) signed distance to the mask's border, px, negative inside.
        wander: standard deviation of that border's place beyond what whole pixels cause, px.
        normals: (h, w, 3) unit, world; zero where there are none.
        known: (h, w) pixels of the mask that have a normal.
        soft: (h, w, 3) the same without most of their noise.
        slopes: (h, w, 3, 2) change of the normal per pixel to the right and down.
        wide: (h, w, 3) smoother still, to be compared with other views'.
        wide_slopes: (h, w, 3, 2) their change per pixel to the right and down.
        steady: (h, w) pixels whose neighbours lie on the same surface.
        noise: how far normals are off their neighbours, beyond what facets make; median length.
    """

    camera: Camera
    mask: NDArray[np.bool_]
    edge: NDArray[np.float32]
    wander: float
    normals: NDArray[np.float32]
    known: NDArray[np.bool_]
    soft: NDArray[np.float32]
    slopes: NDArray[np.float32]
    wide: NDArray[np.float32]
    wide_slopes: NDArray[np.float32]
    steady: NDArray[np.bool_]
    noise: float


def prepared(views: Views, view: int, scale: float) -> Look:
    """A view's pictures and camera, with square pixels; ``scale`` is mm per world unit.

    Normals are zero where there are none.
    """
    one = squared(views, view)
    foreground = one.foreground[0]
    mask = foreground > 0.5
    return Look(
        camera=camera_of(one, 0, scale),
        mask=mask,
        edge=mask_distances(foreground),
        wander=float(np.sqrt(max(views.border_px**2 - WHOLE_PX**2, 0.0))),
        **(_without_normals(mask.shape) if one.normals is None else _of_normals(one.normals[0], mask)),
    )


def _of_normals(normals: NDArray[np.float32], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """What a `Look` holds of normals (h, w, 3) within a mask (h, w)."""
    normals = normals * mask[..., None]
    known = directed(normals)
    steady = _steady(normals, known)
    noise = _noise(normals, steady)
    soft = _softened(normals, _BLUR + _BLUR_BY_NOISE * noise)
    wide = _softened(normals, float(np.hypot(_WIDE, _BLUR_BY_NOISE * noise)))
    return {
        "normals": normals, "known": known, "steady": steady, "noise": noise,
        "soft": soft, "slopes": _slopes(soft), "wide": wide, "wide_slopes": _slopes(wide),
    }  # fmt: skip


def _without_normals(shape: tuple[int, ...]) -> dict[str, Any]:
    """The same without any: nothing, which takes no memory however large the pictures are."""
    vectors, slopes = (np.broadcast_to(np.float32(0), (*shape, *more)) for more in ((3,), (3, 2)))
    nowhere = np.broadcast_to(np.False_, shape)
    return {
        "normals": vectors, "known": nowhere, "steady": nowhere, "noise": 0.0,
        "soft": vectors, "slopes": slopes, "wide": vectors, "wide_slopes": slopes,
    }  # fmt: skip


def _softened(normals: NDArray[np.float32], blur: float) -> NDArray[np.float32]:
    """(h, w, 3) unit normals without most of their noise; ``blur`` is a standard deviation, px."""
    soft = cv2.GaussianBlur(normals, (0, 0), blur)
    return soft / np.maximum(np.linalg.norm(soft, axis=-1, keepdims=True), 1e-6)


def _slopes(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w, 3, 2) change per pixel to the right and down."""
    right, down = (np.gradient(normals, axis=axis) for axis in (1, 0))
    return np.stack([right, down], axis=-1).astype(np.float32)


def _noise(normals: NDArray[np.float32], steady: NDArray[np.bool_]) -> float:
    if not steady.any():
        return 0.0
    off = np.linalg.norm(normals - _softened(normals, _BLUR), axis=-1)[steady]
    return float(np.sqrt(max(np.median(off) ** 2 - _FACETS**2, 0.0)))


def _steady(normals: NDArray, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    good = amid_known(known)
    for axis in (0, 1):
        for way in (1, -1):
            good &= (normals * np.roll(normals, way, axis=axis)).sum(axis=-1) > _SAME
    return good


def amid_known(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w) pixels that have a normal, as all of their neighbours have."""
    return cv2.erode(known.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def camera_of(views: Views, view: int, scale: float) -> Camera:
    """A view's camera for rasterising, mm, of pixels that are square, or nearly."""
    height, width = views.size
    rotation = (views.cam2world[view, :, :3] @ FLIP).T
    centre = views.cam2world[view, :, 3] * scale
    k = views.intrinsics[view]
    focal = float(k[[0, 1], [0, 1]].mean())
    return Camera(width, height, focal, k[:2, 2] - 0.5, rotation, -rotation @ centre, np.zeros(3))


def hits(look: Look, vertices: Array, faces: Faces) -> NDArray[np.float32]:
    """(h, w) depth along the axis at which each pixel meets a mesh, mm; inf where it misses."""
    soup = TriangleSoup(vertices, faces, np.zeros(len(faces), np.int32))
    return render_ids(soup, look.camera).depth


def back_projected(camera: Camera, pixels: Array, depth: Array) -> Array:
    """(n, 3) points at (n, 2) pixels (centres at integers) and (n,) depths along the axis, mm."""
    plane = (pixels - camera.principal) / camera.focal
    local = np.column_stack([plane, np.ones(len(plane))]) * depth[:, None]
    return (local - camera.translation) @ camera.rotation + camera.pivot
