"""What the model would show: outlines of the rendered teeth, tied to surface points."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.views import View
from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import Camera
from teethscape.parametric.contours import Contour, owned_outline
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.raster import IdBuffer, TriangleSoup, render_ids
from teethscape.parametric.rotation import FloatArray, rotation_matrix


@dataclass(frozen=True)
class Rim:
    """Outline of the model in one view.

    Attributes:
        contour: points as :func:`owned_outline` gives them.
        corners: (n, 3) vertex numbers within the tooth, of the face at each point.
        weights: (n, 3) barycentric weights of the corners.
        gum: (n,) True where the outline is the neck's edge against the gum.
    """

    contour: Contour
    corners: NDArray[np.int32]
    weights: FloatArray
    gum: NDArray[np.bool_]


def visible_teeth(prior: ToothPrior, present: NDArray[np.intp], view: View) -> list[int]:
    """Indices of the present teeth whose jaw counts in the view."""
    return [int(i) for i in present if Jaw(jaw_of(prior.fdi[i])) in view.jaws]


def vertices_in_view(arch: Arch, index: int, view: View) -> FloatArray:
    """(V, 3) crown in the frame of a view's camera: in occlusion unless occlusal."""
    return arch.vertices(index) if view.is_occlusal else arch.world_vertices(index)


def camera_in_view(arch: Arch, view: View, camera: Camera) -> Camera:
    """A camera that was fitted to teeth in occlusion, for crowns as :func:`vertices_in_view` gives them."""
    if view is not View.MANDIBULAR_OCCLUSAL:
        return camera
    there = arch.bitten(camera.pivot[None])[0] - camera.pivot
    return replace(
        camera,
        rotation=camera.rotation @ rotation_matrix(arch.state.bite[3:]),
        translation=camera.translation + camera.rotation @ there,
    )


def build_soup(arch: Arch, teeth: list[int], view: View) -> TriangleSoup:
    """The teeth of a view as one mesh; ``owner`` is the index of the tooth."""
    meshes = [vertices_in_view(arch, i, view) for i in teeth]
    faces = [arch.prior.faces_of(arch.prior.fdi[i]) for i in teeth]
    shift = np.cumsum([0, *(len(m) for m in meshes[:-1])])
    return TriangleSoup(
        np.concatenate(meshes),
        np.concatenate([f + s for f, s in zip(faces, shift, strict=True)]).astype(np.int32),
        np.repeat(np.array(teeth, np.int32), [len(f) for f in faces]),
    )


def tooth_map(prior: ToothPrior, buffer: IdBuffer) -> NDArray[np.int32]:
    """(h, w) tooth of each pixel of a rendered soup; the neck's closure is opaque gum: -1."""
    hidden = prior.cap_faces[buffer.face % len(prior.faces)]  # every tooth has the same faces
    return np.where(hidden, -1, buffer.owner)


def _barycentric(corners: FloatArray, inverse: FloatArray, points: FloatArray) -> FloatArray:
    """Perspective-correct weights (n, 3) of pixels in projected triangles (n, 3, 2)."""
    a = corners[:, 0]
    u, v, p = corners[:, 1] - a, corners[:, 2] - a, points - a
    det = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    w1 = (p[:, 0] * v[:, 1] - p[:, 1] * v[:, 0]) / det
    w2 = (u[:, 0] * p[:, 1] - u[:, 1] * p[:, 0]) / det
    weights = np.stack([1 - w1 - w2, w1, w2], axis=1) * inverse
    return weights / weights.sum(axis=1, keepdims=True)


def render_rim(arch: Arch, teeth: list[int], view: View, camera: Camera) -> Rim:
    """Outline of the present teeth of a view, hidden parts removed."""
    soup = build_soup(arch, teeth, view)
    buffer = render_ids(soup, camera)
    contour = owned_outline(buffer, tooth_map(arch.prior, buffer))
    corners = soup.faces[buffer.face.ravel()[contour.pixel]]
    local = camera.to_camera(soup.vertices)
    pixels = camera.focal * local[:, :2] / local[:, 2:] + camera.principal
    row, column = np.divmod(contour.pixel, camera.width)
    weights = _barycentric(
        pixels[corners], 1.0 / local[corners, 2], np.stack([column, row], axis=1).astype(float)
    )
    first = np.zeros(len(arch.prior.fdi), np.int64)
    first[teeth] = np.arange(len(teeth)) * (len(soup.vertices) // max(len(teeth), 1))
    corners = (corners - first[contour.tooth][:, None]).astype(np.int32)
    return Rim(contour, corners, weights, np.any(arch.prior.near_cap[corners], axis=1))
