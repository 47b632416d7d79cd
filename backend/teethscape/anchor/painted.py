"""A painted strip as what can be compared: foreground, and normals in each camera's own axes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.anchor.cameras import COUNT, rotations
from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError
from teethscape.pipeline.montage import read_montage
from teethscape.segmentation.instances import small_parts

Floats = NDArray[np.float32]
#: OpenCV camera axes to OpenGL's and back: stored normals are OpenGL's.
_FLIP = np.array([1.0, -1.0, -1.0])
#: Distance of a stored normal from white below which a pixel is background; unit normals are 0.73 away.
_NEAR_WHITE = 0.4
#: Parts of the foreground smaller than this share of it are specks.
_SPECK = 0.004


@dataclass(frozen=True, eq=False)
class PaintedView:
    """One of the eight views.

    Attributes:
        colour: (s, s, 3) RGB.
        foreground: (s, s) true where the normal tile shows teeth.
        normals: (s, s, 3) unit, camera axes (OpenCV, towards the viewer z < 0); zero in the background.
    """

    colour: NDArray[np.uint8]
    foreground: NDArray[np.bool_]
    normals: Floats


def read_painted(path: Path, jaw: Jaw) -> tuple[PaintedView, ...]:
    """The views of a strip as the generator writes it.

    Raises:
        BadInputError: it is no picture, or has not sixteen square tiles.
    """
    tiles = read_montage(path)
    if len(tiles) != 2 * COUNT:
        raise BadInputError(
            "montage_form",
            f"{path.name} has {len(tiles)} tiles, not {2 * COUNT}.",
            "Give the strip of square views that the generator wrote.",
        )
    return painted_views(tiles, jaw)


def painted_views(tiles: list[NDArray[np.uint8]], jaw: Jaw) -> tuple[PaintedView, ...]:
    """Sixteen tiles (s, s, 3), eight colours and eight normals, as views.

    The foreground comes from the normal tiles: a tooth may be as white as the background,
    but no unit normal is.
    """
    turns = rotations(jaw)
    return tuple(_view(tiles[k], tiles[COUNT + k], turns[0] @ turns[k].T) for k in range(COUNT))


def _view(colour: NDArray[np.uint8], coded: NDArray[np.uint8], turn: NDArray[np.float64]) -> PaintedView:
    stored = coded.astype(np.float32) / 127.5 - 1
    foreground = without_specks(_covered(stored))
    normals = stored @ (turn * _FLIP).astype(
        np.float32
    )  # rows times (turn diag(flip)), its inverse's transpose
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    return PaintedView(colour, foreground, np.where(foreground[..., None], normals, 0).astype(np.float32))


def _covered(stored: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(s, s) pixels that are tooth by more than half: mixed ones are compared with their purest neighbour."""
    away = np.linalg.norm(1 - stored, axis=2).astype(np.float32)
    return (away > _NEAR_WHITE) & (away > 0.5 * cv2.dilate(away, np.ones((3, 3), np.uint8)))


def without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without tiny parts and tiny holes."""
    out = mask.astype(np.uint8)
    limit = max(_SPECK * float(mask.sum()), 4.0)
    for value in (1, 0):
        out[small_parts(out == value, limit, connectivity=4)] = 1 - value
    return out > 0
