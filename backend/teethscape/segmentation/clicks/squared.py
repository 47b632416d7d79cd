"""Photos shown to an engine as TeethDreamer's tool shows them to SAM: centred in a black square."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from teethscape.segmentation.clicks.interface import ClickEngine, ClickMask, Clicks, PreparedPhoto
from teethscape.segmentation.clicks.pictures import Background, masked_square, square_place


class SquaredEngine:
    """Another engine that sees every photo in a square of its longer side (specification, section 1.2).

    Args:
        engine: who draws.
    """

    def __init__(self, engine: ClickEngine) -> None:
        self.engine = engine

    def prepare(self, pixels: NDArray[np.uint8]) -> PreparedPhoto:
        """Make one upright photo (h, w, 3) RGB ready for clicks."""
        shape = pixels.shape[:2]
        square = masked_square(pixels, np.ones(shape, np.bool_), Background.BLACK)
        return _SquaredPhoto(self.engine.prepare(square), square_place(*shape))


class _SquaredPhoto:
    def __init__(self, photo: PreparedPhoto, place: tuple[slice, slice]) -> None:
        self._photo = photo
        self._place = place

    def click(self, clicks: Clicks, previous: ClickMask | None = None) -> ClickMask:
        """The mask after the last click, on the photo; see `PreparedPhoto.click`."""
        found = self._photo.click(self._in_square(clicks), previous)
        return replace(found, mask=found.mask[self._place], probability=found.probability[self._place])

    def _in_square(self, clicks: Clicks) -> Clicks:
        top, left = (side.start for side in self._place)
        points = tuple((x + left, y + top) for x, y in clicks.points)
        if clicks.box is None:
            return replace(clicks, points=points)
        x0, y0, x1, y1 = clicks.box
        return replace(clicks, points=points, box=(x0 + left, y0 + top, x1 + left, y1 + top))
