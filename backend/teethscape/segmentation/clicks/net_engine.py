"""Clicks without any downloaded weights: the network that ships tells where teeth and borders are.

The first click (or a box) starts from the automatic instance under it. Every later click
changes the mask only around itself, so that what was right stays right.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.segmentation.clicks.change import changed
from teethscape.segmentation.clicks.interface import ClickMask, Clicks, Mask
from teethscape.segmentation.clicks.start import first_mask
from teethscape.segmentation.clicks.walk import FloatImage, Grid
from teethscape.segmentation.instances import cut_instances
from teethscape.segmentation.network import PixelMaps, scaled
from teethscape.segmentation.patient_colour import colour_cells, learn_colours, refine
from teethscape.segmentation.segmenter import WORKING_SIZE, Segmenter


@dataclass(frozen=True, eq=False)
class Seen:
    """A photo at the working size with all that is known of it.

    Attributes:
        lab: (h, w, 3) colours, each channel 0-1, a little blurred.
        tooth: (h, w) tooth probability.
        maps: the network's maps.
        instances: (h, w) automatic instances, 0 none.
    """

    lab: FloatImage
    tooth: FloatImage
    maps: PixelMaps
    instances: NDArray[np.int32]

    @property
    def size(self) -> int:
        """Longer side, px."""
        return max(self.tooth.shape)

    def grid(self, left_top: tuple[float, float], right_bottom: tuple[float, float], stride: int) -> Grid:
        """A window around two corners (x, y), cut at the picture's edges."""
        height, width = self.tooth.shape
        rows = slice(max(int(left_top[1]), 0), min(int(right_bottom[1]) + 1, height))
        columns = slice(max(int(left_top[0]), 0), min(int(right_bottom[0]) + 1, width))
        window = (rows, columns)
        size = (-(-(columns.stop - columns.start) // stride), -(-(rows.stop - rows.start) // stride))

        def on_grid(image: NDArray, method: int = cv2.INTER_AREA) -> FloatImage:
            part = np.ascontiguousarray(image[window], np.float32)
            return (
                part if stride == 1 else np.asarray(cv2.resize(part, size, interpolation=method), np.float32)
            )

        return Grid(
            on_grid(self.tooth),
            on_grid(self.maps.boundary),
            on_grid(self.lab),
            on_grid(self.instances, cv2.INTER_NEAREST).astype(np.int32),
            window,
            stride,
        )


@dataclass(frozen=True, eq=False)
class _State:
    """The mask at the working size, and how many points it has heard."""

    mask: Mask
    heard: int


class NetEngine:
    """The fallback engine.

    Args:
        segmenter: the network; the one that ships when left out.
    """

    def __init__(self, segmenter: Segmenter | None = None) -> None:
        self._segmenter = segmenter or Segmenter.load()

    def prepare(self, pixels: NDArray[np.uint8]) -> NetPhoto:
        """Look at one upright photo (h, w, 3) RGB; about three seconds."""
        maps = self._segmenter.runtime.average(pixels, WORKING_SIZE)
        small = scaled(pixels, WORKING_SIZE)
        cells = colour_cells(small)
        tooth = refine(cells, maps.tooth, learn_colours([(cells, maps.tooth)]))
        lab = cv2.cvtColor(cv2.GaussianBlur(small, (0, 0), 1.0), cv2.COLOR_RGB2LAB)
        colours = (lab / 255).astype(np.float32)
        seen = Seen(colours, tooth, maps, cut_instances(maps, tooth))
        return NetPhoto(seen, (pixels.shape[0], pixels.shape[1]))


class NetPhoto:
    """A photo that the network has seen.

    Args:
        seen: what it saw.
        size: (height, width) of the photo, px.
    """

    def __init__(self, seen: Seen, size: tuple[int, int]) -> None:
        self.seen = seen
        self._size = size

    def click(self, clicks: Clicks, previous: ClickMask | None = None) -> ClickMask:
        """The mask after the last click; see `PreparedPhoto.click`."""
        clicks.require_any()
        inner = self._working(clicks)
        state = None if previous is None else previous.state
        if not isinstance(state, _State) or state.heard >= len(inner.points):
            inner, state = self._begin(inner)
        mask = state.mask
        for number in range(state.heard, len(inner.points)):
            mask = changed(self.seen, mask, inner, number)
        return self._answer(mask, len(inner.points))

    def _begin(self, clicks: Clicks) -> tuple[Clicks, _State]:
        """The first mask; adding clicks come first when there is no box."""
        if clicks.box is None:
            order = [n for n, label in enumerate(clicks.labels) if label][:1]
            order += [n for n in range(len(clicks.points)) if n not in order]
            points = tuple(clicks.points[n] for n in order)
            clicks = Clicks(points, tuple(clicks.labels[n] for n in order), None)
        return clicks, _State(first_mask(self.seen, clicks), 0 if clicks.box is not None else 1)

    def _working(self, clicks: Clicks) -> Clicks:
        """The same in working pixels, points inside the picture."""
        height, width = self.seen.tooth.shape
        fx, fy = width / self._size[1], height / self._size[0]

        def inside(x: float, y: float) -> tuple[float, float]:
            return (
                float(np.clip((x + 0.5) * fx - 0.5, 0, width - 1)),
                float(np.clip((y + 0.5) * fy - 0.5, 0, height - 1)),
            )

        box = clicks.box
        corners = None if box is None else (*inside(box[0], box[1]), *inside(box[2], box[3]))
        return Clicks(tuple(inside(*point) for point in clicks.points), clicks.labels, corners)

    def _answer(self, mask: Mask, heard: int) -> ClickMask:
        """The mask at the photo's size, its outline smoothed."""
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.9)
        large = cv2.resize(soft, self._size[::-1], interpolation=cv2.INTER_LINEAR)
        probability = np.clip(large, 0, 1).astype(np.float32)
        score = float(self.seen.tooth[mask].mean()) if mask.any() else 0.0
        return ClickMask(probability > 0.5, probability, score, _State(mask, heard))
