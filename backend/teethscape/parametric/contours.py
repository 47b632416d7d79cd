"""Outlines of teeth: of label images and of rendered id buffers, with normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.raster import IdBuffer
from teethscape.parametric.rotation import FloatArray

_REACH = 3  # px; window of the normal estimate
_OFFSETS = np.array(
    [(dx, dy) for dy in range(-_REACH, _REACH + 1) for dx in range(-_REACH, _REACH + 1)
     if 0 < dx * dx + dy * dy <= _REACH * _REACH + 1]
)  # fmt: skip
#: Points this close to the picture's edge are no outline, px.
_BORDER = 3
_NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1))
#: Label of pixels of which nobody knows whose they are; what borders on them is no outline.
UNKNOWN = -3


@dataclass(frozen=True)
class Contour:
    """Outline points of all teeth of one view.

    Attributes:
        tooth: (n,) label of the tooth that the point belongs to.
        position: (n, 2) px, on the edge between the last pixel inside and the next.
        normal: (n, 2) unit, outwards in the image.
        other: (n,) label on the far side of the edge, -1 for background.
        pixel: (n,) flat index of the last pixel inside.
    """

    tooth: NDArray[np.int32]
    position: FloatArray
    normal: FloatArray
    other: NDArray[np.int32]
    pixel: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.tooth)

    def only(self, keep: NDArray) -> Contour:
        """The points chosen by a mask or an index."""
        return Contour(
            self.tooth[keep], self.position[keep], self.normal[keep], self.other[keep], self.pixel[keep]
        )


def _rim_pixels(owner: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.intp]]:
    """Flat indices of labelled pixels beside another label; that label and its pixel.

    The picture's outermost pixels never count. Background wins over another label.
    """
    width = owner.shape[1]
    differs = np.zeros(owner.shape, bool)
    middle = owner[1:-1, 1:-1]
    for dx, dy in _NEIGHBOURS:
        differs[1:-1, 1:-1] |= middle != owner[1 + dy : owner.shape[0] - 1 + dy, 1 + dx : width - 1 + dx]
    rim = np.flatnonzero(differs & (owner >= 0))
    flat = owner.ravel()
    own, other, beside = flat[rim], np.full(len(rim), -2, np.int32), rim.copy()
    for dx, dy in _NEIGHBOURS:
        pixel = rim + dy * width + dx
        near = flat[pixel]
        better = (near != own) & ((other == -2) | (near == -1))
        other, beside = np.where(better, near, other), np.where(better, pixel, beside)
    return rim, other.astype(np.int32), beside


def _normals(owner: NDArray[np.int32], rim: NDArray[np.intp]) -> FloatArray:
    """Outward unit normals (n, 2) from the share of the own label around each pixel."""
    padded = np.pad(owner, _REACH, mode="edge")
    row, column = np.divmod(rim, owner.shape[1])
    own = owner.ravel()[rim]
    total = np.zeros((len(rim), 2))
    for dx, dy in _OFFSETS:
        same = padded[row + dy + _REACH, column + dx + _REACH] == own
        total -= same[:, None] * np.array([dx, dy]) / np.hypot(dx, dy)
    length = np.linalg.norm(total, axis=1)
    return total / np.maximum(length, 1e-9)[:, None]


def _inner(rim: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels away from the picture's edge, where a cut tooth has no true outline."""
    row, column = np.divmod(rim, shape[1])
    inside_rows = (row >= _BORDER) & (row < shape[0] - _BORDER)
    return inside_rows & (column >= _BORDER) & (column < shape[1] - _BORDER)


def _contour(owner: NDArray[np.int32], rim: NDArray[np.intp], other: NDArray[np.int32]) -> Contour:
    normal = _normals(owner, rim)
    row, column = np.divmod(rim, owner.shape[1])
    position = np.stack([column, row], axis=1) + 0.5 * normal
    return Contour(owner.ravel()[rim], position, normal, other, rim)


def outline(owner: NDArray[np.int32]) -> Contour:
    """Outline of every label (>= 0) of a label image; -1 is background, ``UNKNOWN`` may be anything."""
    rim, other, _ = _rim_pixels(owner)
    inner = _inner(rim, owner.shape) & (other != UNKNOWN)
    return _contour(owner, rim[inner], other[inner])


def owned_outline(buffer: IdBuffer, teeth: NDArray[np.int32]) -> Contour:
    """Outline of rendered teeth without the edges that a nearer tooth makes.

    Args:
        buffer: what the camera sees.
        teeth: (h, w) tooth of each pixel, -1 for background and opaque gum.
    """
    rim, other, beside = _rim_pixels(teeth)
    depth = buffer.depth.ravel()
    keep = _inner(rim, teeth.shape) & ((other == -1) | (depth[beside] > depth[rim]))
    return _contour(teeth, rim[keep], other[keep])
