"""Foreground of generated views: what is teeth and what is background, by one small interface.

``plain`` needs nothing: generated views have a background of one colour. ``rembg`` (MIT, with
networks of its own choice) is used when it is installed and never required.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from importlib import util

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.errors import MissingComponentError
from teethscape.segmentation.instances import small_parts

#: (h, w, 3) RGB to (h, w) opacity 0-255.
Method = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
#: Distance in Lab at which a pixel is no background, and the smallest piece kept, as a share of the picture.
_APART, _SMALLEST = 14.0, 0.001


class ForegroundName(str, Enum):
    """A method."""

    PLAIN = "plain"
    REMBG = "rembg"

    __str__ = str.__str__


def foreground_method(name: ForegroundName) -> Method:
    """A method, ready to be called.

    Raises:
        MissingComponentError: rembg is not installed.
    """
    return plain_foreground if name is ForegroundName.PLAIN else _rembg()


def is_available(name: ForegroundName) -> bool:
    """Whether a method can be used here."""
    return name is ForegroundName.PLAIN or util.find_spec("rembg") is not None


def plain_foreground(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What differs from the colour of the picture's border; 0 or 255.

    Args:
        pixels: (h, w, 3) RGB, background of one colour.
    """
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.float32)
    border = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    far = np.linalg.norm(lab - np.median(border, axis=0), axis=2) > _APART
    mask = cv2.morphologyEx(far.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    smallest = _SMALLEST * mask.size
    for value in (1, 0):  # specks outside, then holes inside
        mask[small_parts(mask == value, smallest)] = 1 - value
    return mask * np.uint8(255)


def _rembg() -> Method:
    """The package's removal, with its default network."""
    try:
        from rembg import new_session, remove  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingComponentError(
            "rembg_missing",
            f"rembg is not installed ({error.name} is missing).",
            "Run in the engine's environment: python -m pip install rembg; or take --foreground plain.",
        ) from error
    session = new_session()

    def opacity(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(remove(pixels, session=session, only_mask=True), np.uint8)

    return opacity
