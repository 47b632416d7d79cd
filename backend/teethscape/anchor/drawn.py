"""The fitted jaw drawn into a view: which tooth, which place along the arch, which normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.anchor.jaw import Array, FittedJaw
from teethscape.parametric.camera import Camera
from teethscape.parametric.raster import IdBuffer, hit_weights, render_ids


@dataclass(frozen=True, eq=False)
class DrawnView:
    """What a camera sees of the fitted jaw.

    Attributes:
        camera: which one.
        buffer: tooth, face and depth of every pixel.
        normals: (s, s, 3) unit, camera axes (OpenCV); zero where nothing is seen.
        place: (s, s) along the arch; nan where nothing is seen.
    """

    camera: Camera
    buffer: IdBuffer
    normals: Array
    place: Array

    @property
    def silhouette(self) -> NDArray[np.bool_]:
        """(s, s) where the jaw is seen."""
        return self.buffer.owner >= 0


def drawn_view(jaw: FittedJaw, camera: Camera) -> DrawnView:
    """Draw the jaw through a camera in mm."""
    buffer = render_ids(jaw.soup, camera)
    hit, weights = hit_weights(buffer, jaw.soup, camera)
    corners = jaw.soup.faces[buffer.face.ravel()[hit]]
    shape = buffer.owner.shape
    normals, place = np.zeros((buffer.owner.size, 3)), np.full(buffer.owner.size, np.nan)
    turned = np.einsum("nk,nkc->nc", weights, jaw.normals[corners]) @ camera.rotation.T
    normals[hit] = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-9)
    place[hit] = (weights * jaw.place[corners]).sum(axis=1)
    return DrawnView(camera, buffer, normals.reshape(*shape, 3), place.reshape(shape))
