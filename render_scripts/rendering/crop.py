"""The part of a picture that an object covers: the rest need not be rendered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.published_views import Array

#: Nearer to the camera than this, in world units, a vertex tells nothing about the picture.
_NEAR = 0.1


@dataclass(frozen=True)
class Crop:
    """A rectangle of pixels: first column and row, and those after the last; row 0 at the top."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def is_empty(self) -> bool:
        """True where nothing of the object is in the picture."""
        return self.left >= self.right or self.top >= self.bottom

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.bottom - self.top, self.right - self.left

    def pasted(self, part: NDArray, size: int) -> NDArray:
        """A square picture of ``size`` pixels, zero but for the (h, w, ...) part in its place."""
        whole = np.zeros((size, size, *part.shape[2:]), part.dtype)
        whole[self.top : self.bottom, self.left : self.right] = part
        return whole


def crop_around(
    vertices: NDArray[np.floating], pose: Array, intrinsics: NDArray[np.floating], margin: int = 2
) -> Crop:
    """Rectangle about (n, 3) world vertices as a camera sees them, ``margin`` pixels wider.

    The picture is square with its principal point in the middle, as all of ours.
    """
    size = round(2 * float(intrinsics[0, 2]))
    # In the precision of the vertices: the margin is wider than any rounding.
    rotation, shift = pose[:, :3].astype(vertices.dtype), pose[:, 3].astype(vertices.dtype)
    seen = vertices @ rotation.T + shift
    if seen[:, 2].min() < _NEAR:
        return Crop(0, 0, size, size)
    pixels = seen[:, :2] / seen[:, 2:] * intrinsics[0, 0] + intrinsics[0, 2]
    left, top = np.clip(np.floor(pixels.min(axis=0)).astype(int) - margin, 0, size).tolist()
    right, bottom = np.clip(np.ceil(pixels.max(axis=0)).astype(int) + margin, 0, size).tolist()
    return Crop(left, top, right, bottom)
