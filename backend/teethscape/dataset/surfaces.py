"""What a camera sees of crowns and gums, pixel by pixel: label, depth, normal, place on the crown."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.gums import Mesh
from teethscape.dataset.patient_crowns import Crown
from teethscape.parametric.camera import Camera
from teethscape.parametric.raster import TriangleSoup, hit_weights, render_ids
from teethscape.parametric.rotation import FloatArray

#: Label of gums in :attr:`Surfaces.label`; below it FDI numbers, 0 is nothing.
GUM = 100
FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class Surfaces:
    """Visible surface of one photograph.

    Attributes:
        label: (h, w) FDI number, ``GUM`` or 0.
        depth: (h, w) mm, a little beyond the deepest hit where nothing was hit.
        normal: (h, w, 3) unit, camera axes, towards the camera (negative z).
        place: (h, w, 3) mesial, buccal and occlusal place on the crown, -1 ... 1.
        concavity: (h, w) positive in fissures, negative on cusps, about -1 ... 1.
        root: (h, w) true on the artificial closure of a crown, seen where gums recede.
    """

    label: NDArray[np.int32]
    depth: FloatImage
    normal: FloatImage
    place: FloatImage
    concavity: FloatImage
    root: NDArray[np.bool_]


def vertex_normals(vertices: FloatArray, faces: NDArray[np.int32]) -> FloatArray:
    """(V, 3) area-weighted unit normals."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(out, faces[:, k], normal)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def _neighbour_mean(values: FloatArray, faces: NDArray[np.int32]) -> FloatArray:
    """Mean of each vertex's neighbours (each counted once per shared face)."""
    total = np.zeros_like(values)
    count = np.zeros(len(values))
    for k in range(3):
        for step in (1, 2):
            np.add.at(total, faces[:, k], values[faces[:, (k + step) % 3]])
            np.add.at(count, faces[:, k], 1.0)
    return total / np.maximum(count, 1.0)[:, None]


def _crown_attributes(crown: Crown) -> FloatArray:
    """(V, 8) per vertex: normal 3, place 3, concavity, cap."""
    normal = vertex_normals(crown.vertices, crown.faces)
    smooth = crown.vertices
    for _ in range(3):
        smooth = _neighbour_mean(smooth, crown.faces)
    concavity = np.einsum("ij,ij->i", smooth - crown.vertices, normal) / 0.25
    local = (crown.vertices - crown.centre) @ crown.axes
    place = 2 * (local - local.min(axis=0)) / np.ptp(local, axis=0) - 1
    return np.column_stack([normal, place, np.clip(concavity, -1.5, 1.5), crown.cap.astype(float)])


def _soft_normals(depth: FloatImage, mask: NDArray[np.bool_], camera: Camera, blur: float) -> FloatImage:
    """(h, w, 3) normals of a depth map smoothed inside ``mask``."""
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), blur)
    smooth = cv2.GaussianBlur(np.where(mask, depth, 0).astype(np.float32), (0, 0), blur)
    smooth /= np.maximum(weight, 1e-3)
    pitch = np.maximum(smooth, 1.0) / np.float32(camera.focal)
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3) / (8 * pitch)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3) / (8 * pitch)
    normal = np.dstack([dx, dy, -np.ones_like(dx)])
    return normal / np.linalg.norm(normal, axis=2, keepdims=True)


def see(crowns: list[Crown], gums: list[Mesh], camera: Camera) -> Surfaces:
    """Draw crowns and gums and interpolate what shading needs."""
    meshes = [(c.vertices, c.faces) for c in crowns] + gums
    owners = [c.fdi for c in crowns] + [GUM] * len(gums)
    starts = np.cumsum([0] + [len(v) for v, _ in meshes[:-1]])
    vertices = np.vstack([v for v, _ in meshes])
    faces = np.vstack([f + s for (_, f), s in zip(meshes, starts, strict=True)]).astype(np.int32)
    owner = np.repeat(owners, [len(f) for _, f in meshes]).astype(np.int32)
    soup = TriangleSoup(vertices, faces, owner)
    buffer = render_ids(soup, camera)
    hit, weights = hit_weights(buffer, soup, camera)
    attributes = np.zeros((len(vertices), 8))
    filled = np.vstack([_crown_attributes(c) for c in crowns])
    attributes[: len(filled)] = filled
    pixel = np.einsum("nk,nkc->nc", weights, attributes[faces[buffer.face.ravel()[hit]]])
    image = np.zeros((camera.height * camera.width, 8), np.float32)
    image[hit] = pixel
    image = image.reshape(camera.height, camera.width, 8)
    label = np.where(buffer.owner < 0, 0, buffer.owner).astype(np.int32)
    deepest = float(buffer.depth[np.isfinite(buffer.depth)].max(initial=300.0)) + 6.0
    depth = np.where(np.isfinite(buffer.depth), buffer.depth, deepest).astype(np.float32)
    normal = image[..., :3] @ camera.rotation.T.astype(np.float32)
    gum = label == GUM
    mm = camera.focal / np.median(depth)
    normal[gum] = _soft_normals(depth, gum, camera, max(0.45 * mm, 0.7))[gum]
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
    return Surfaces(label, depth, normal, image[..., 3:6], image[..., 6], image[..., 7] > 0.6)
