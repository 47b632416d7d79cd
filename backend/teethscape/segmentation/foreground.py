"""Foreground of generated views: what is teeth and what is background, by one small interface.

``plain`` needs nothing: generated views have a background of one colour. ``rembg`` (MIT, with
the network that ``rembg_network.py`` names) and ``sam`` are used when they are installed and
never required; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.wishes import ForegroundName
from teethscape.segmentation.instances import small_parts
from teethscape.segmentation.rembg_network import rembg_session, require_rembg

#: (h, w, 3) RGB to (h, w) opacity 0-255.
Method = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
#: Distance in Lab at which a pixel is no background, and the smallest piece kept, as a share of the picture.
_APART, _SMALLEST = 14.0, 0.001


def foreground_method(name: ForegroundName) -> Method:
    """A method that looks at the picture, ready to be called (``surface/fit_masks.py`` is ``fit``).

    Raises:
        MissingComponentError: rembg, its network, or SAM's, is not installed.
        BadInputError: a network's file is damaged.
    """
    makers = {
        ForegroundName.PLAIN: lambda: plain_foreground,
        ForegroundName.REMBG: _rembg,
        ForegroundName.SAM: _sam,
    }
    return makers[name]()


def require_foreground(name: ForegroundName) -> None:
    """Refuse a method that lacks its library or its network, before anything is loaded.

    Raises:
        MissingComponentError: rembg, its network, or SAM's, is not installed.
    """
    if name is ForegroundName.REMBG:
        require_rembg()
    if name is ForegroundName.SAM:
        from teethscape.segmentation.clicks.sam_engine import smallest_installed

        smallest_installed()


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
    """The package's removal, with the network that we name."""
    session = rembg_session()
    from rembg import remove  # pyright: ignore[reportMissingImports]

    def opacity(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(remove(pixels, session=session, only_mask=True), np.uint8)

    return opacity


def _sam() -> Method:
    """Segment Anything, asked for the one body inside the box of what differs from the border."""
    from teethscape.segmentation.clicks.interface import Clicks
    from teethscape.segmentation.clicks.sam_engine import SamEngine

    engine = SamEngine.load()

    def opacity(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        rough = plain_foreground(pixels)
        if not rough.any():
            return rough
        left, top, width, height = cv2.boundingRect(rough)
        deep = np.unravel_index(int(cv2.distanceTransform(rough, cv2.DIST_L2, 5).argmax()), rough.shape)
        middle = (float(deep[1]), float(deep[0]))
        clicks = Clicks((middle,), (True,), (left, top, left + width - 1.0, top + height - 1.0))
        return engine.prepare(pixels).click(clicks).mask.astype(np.uint8) * np.uint8(255)

    return opacity
