"""Colours of vertices from the views that see them, and how well a mesh covers the masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.raster import TriangleSoup, render_ids
from teethscape.surface.grid.looks import Look, hits
from teethscape.surface.grid.room import squared
from teethscape.surface.hull import looked_up
from teethscape.surface.mesh.even import vertex_normals
from teethscape.surface.mesh.marching import Array, Faces
from teethscape.surface.views import Views

#: How far behind the surface that a view sees a vertex may lie, mm, or what stands for them.
_HIDDEN_MM = 0.3
#: How much of what a view shows of a vertex must be believed.
_BELIEVED = 0.9


@dataclass(frozen=True, eq=False)
class Agreement:
    """How a mesh agrees with each view.

    Attributes:
        overlap: (n,) intersection over union of the mask and the mesh's picture.
        covered: (n,) share of the mask that the mesh covers.
        angle_deg: (n,) median angle between the mesh's normals and the view's; NaN without normals.
    """

    overlap: Array
    covered: Array
    angle_deg: Array


def agreement(looks: list[Look], vertices: Array, faces: Faces) -> Agreement:
    """Compare a mesh (mm) with every view."""
    rows = []
    normals = np.cross(
        vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]]
    )
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    for look in looks:
        face = face_picture(look, vertices, faces)
        drawn, mask = face >= 0, look.mask
        both = drawn & mask
        known = both & look.known
        cos = (look.normals[known] * normals[face[known]]).sum(axis=1)
        angle = float(np.degrees(np.arccos(np.clip(np.median(cos), -1, 1)))) if len(cos) else float("nan")
        union = max((drawn | mask).sum(), 1)
        rows.append((both.sum() / union, both.sum() / max(mask.sum(), 1), angle))
    return Agreement(*np.array(rows, np.float64).T)


def face_picture(look: Look, vertices: Array, faces: Faces) -> NDArray[np.int32]:
    """(h, w) triangle that each pixel shows, -1 where none."""
    return render_ids(TriangleSoup(vertices, faces, np.zeros(len(faces), np.int32)), look.camera).face


def view_colours(
    views: Views, looks: list[Look], vertices: Array, faces: Faces, unit: float = 1.0
) -> NDArray[np.uint8]:
    """(V, 3) RGB: mean of the views that see a vertex, the frontal ones most; grey where none does.

    Args:
        views: their colours.
        looks: the same views, prepared.
        vertices: (V, 3).
        faces: (F, 3).
        unit: what stands for a millimetre in the vertices.
    """
    normals = vertex_normals(vertices, faces)
    total, weight = np.zeros((len(vertices), 3)), np.full(len(vertices), 1e-6)
    for view, look in enumerate(looks):
        one, depth = squared(views, view), hits(look, vertices, faces)
        pixels, z = look.camera.project(vertices) + 0.5, look.camera.to_camera(vertices)[:, 2]
        nearest = looked_up(np.where(np.isfinite(depth), depth, 0).astype(np.float32), pixels)
        shown = looked_up(one.colour_mask[0].astype(np.float32), pixels)
        away = look.camera.centre - vertices
        facing = (normals * away).sum(axis=1) / np.linalg.norm(away, axis=1)
        use = np.where((z < nearest + _HIDDEN_MM * unit) & (shown > _BELIEVED), np.clip(facing, 0, 1) ** 2, 0)
        # What lies between a pixel that is believed and one that is not has the colour of the former.
        some = one.colours[0] * one.colour_mask[0][..., None]
        colour = np.stack([looked_up(np.ascontiguousarray(some[..., k]), pixels) for k in range(3)], 1)
        total += use[:, None] * colour / np.maximum(shown, _BELIEVED)[:, None]
        weight += use
    found = (total + 1e-6 * 0.7) / weight[:, None]
    return np.clip(np.round(255 * found), 0, 255).astype(np.uint8)
