"""Creases between teeth, told from normals: how strongly they fall along the arch.

Along a tooth's convex surface the part of the normal that points along the arch rises; at the crease to the
next tooth it falls at once. The fall over a short way is measured at every pixel of the foreground, in the
picture, so it needs no knowledge of where teeth end; its mean over all that a view shows at one place of
the arch is high at creases, which cross the whole crown, and low at grooves, which do not. A place with
background beside it is a clear end of a tooth.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from teethscape.anchor.curve import ArchLine
from teethscape.anchor.drawn import DrawnView
from teethscape.anchor.jaw import Array

#: Width of a bin along the arch, and half the way over which normals are compared, mm.
BIN_MM, _HALF_MM = 0.25, 0.8
#: Falls are cut to this range: a gap counts as a deep crease.
_LEAST, _MOST = -0.5, 1.0
#: Shares of the true length that the arch's direction has in the picture: nothing is believed at the first,
#: all at the second.
_FORESHORTENED = (0.35, 0.75)


@dataclass(frozen=True, eq=False)
class Profile:
    """Falls along an arch; profiles of several views may be added.

    Attributes:
        falls: (n,) sums of weighted falls per bin.
        weights: (n,) sums of the weights, about pixels.
    """

    falls: Array
    weights: Array

    def __add__(self, other: Profile) -> Profile:
        """What both have seen."""
        return Profile(self.falls + other.falls, self.weights + other.weights)

    def mean(self) -> Array:
        """(n,) mean falls, smoothed over three bins; 0 where nothing is seen."""
        falls, weights = (np.convolve(a, np.ones(3), "same") for a in (self.falls, self.weights))
        return falls / np.maximum(weights, 1.0)


def profile(
    line: ArchLine, drawn: DrawnView, foreground: NDArray[np.bool_], normals: NDArray[np.floating]
) -> Profile:
    """Falls of one view's normals.

    Args:
        line: of the arch.
        drawn: the fitted arch in this view; tells how far away the foreground is.
        foreground: (s, s) of the picture whose creases are wanted.
        normals: (s, s, 3) unit, camera axes; zero in the background.
    """
    camera, count = drawn.camera, int(line.length / BIN_MM) + 1
    if not foreground.any() or not drawn.silhouette.any():
        return Profile(np.zeros(count), np.zeros(count))
    points = _points(drawn, foreground)
    way, along = line.found(points)
    ends = [camera.project(points + step * along) for step in (-_HALF_MM, _HALF_MM)]
    turned = along @ camera.rotation.T
    covered, parts = zip(*(_part_along(end, turned, foreground, normals) for end in ends), strict=True)
    falls = np.where(np.minimum(*covered) < 0.5, _MOST, np.clip(parts[0] - parts[1], _LEAST, _MOST))
    pitch = camera.to_camera(points)[:, 2] / camera.focal
    share = np.linalg.norm(ends[1] - ends[0], axis=1) * pitch / (2 * _HALF_MM)
    weights = np.clip((share - _FORESHORTENED[0]) / (_FORESHORTENED[1] - _FORESHORTENED[0]), 0, 1)
    bins = np.clip((way / BIN_MM).astype(int), 0, count - 1)
    sums = [np.bincount(bins, w, count).astype(float) for w in (weights * falls, weights)]
    return Profile(sums[0], sums[1])


def _points(drawn: DrawnView, foreground: NDArray[np.bool_]) -> Array:
    """(n, 3) where the foreground's pixels lie, mm: as high as the nearest pixel of the arch."""
    camera = drawn.camera
    row, column = np.nonzero(foreground)
    nearest = distance_transform_edt(~drawn.silhouette, return_distances=False, return_indices=True)
    y, x = np.asarray(nearest)[:, row, column]
    depth = drawn.buffer.depth[y, x].astype(float)
    height = (_rays(drawn, x, y) * depth[:, None])[:, 2] + camera.centre[2]
    rays = _rays(drawn, column, row)
    return camera.centre + rays * ((height - camera.centre[2]) / rays[:, 2])[:, None]


def _rays(drawn: DrawnView, column: NDArray, row: NDArray) -> Array:
    """(n, 3) directions through pixels, the patient's frame, of length 1 along the optical axis."""
    camera = drawn.camera
    plane = (np.stack([column, row], axis=1) - camera.principal) / camera.focal
    return np.column_stack([plane, np.ones(len(plane))]) @ camera.rotation


def _part_along(
    pixels: Array, along: Array, foreground: NDArray[np.bool_], normals: NDArray[np.floating]
) -> tuple[Array, Array]:
    """Whether (n, 2) pixels lie in the foreground (0 to 1), and the normals' part along (n, 3) directions."""
    x, y = (np.ascontiguousarray(pixels[None, :, k], np.float32) for k in range(2))
    image = np.dstack([normals, foreground]).astype(np.float32)
    parts = [cv2.remap(image[:, :, k], x, y, cv2.INTER_LINEAR)[0].astype(float) for k in range(4)]
    normal = np.stack(parts[:3], axis=1)
    length = np.maximum(np.linalg.norm(normal, axis=1), 1e-6)
    return parts[3], (normal * along).sum(axis=1) / length
