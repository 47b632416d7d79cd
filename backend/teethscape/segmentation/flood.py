"""Watershed of a mask from seeds over the network's maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.segmentation.network import FloatImage

IntImage = NDArray[np.int32]

#: Heights up to which the relief is flooded, one after the other; what is higher comes last.
_LEVELS = np.linspace(0.05, 0.95, 25)
_BOUNDARY_SHARE = 0.7


def flood(boundary: FloatImage, energy: FloatImage, mask: NDArray[np.bool_], seeds: IntImage) -> IntImage:
    """Watershed of the mask from its seeds over boundary and lack of energy (``PixelMaps``).

    Own flooding by levels: OpenCV's and SciPy's watersheds climb differences of the picture, not its height.
    Only the water's edge is looked at, pixel by pixel: most steps wet a few of half a million.

    Args:
        boundary: (h, w) probability of a border.
        energy: (h, w) depth inside a tooth.
        mask: (h, w) pixels to be flooded.
        seeds: (h, w) ids 1..n inside the mask, 0 elsewhere.

    Returns:
        (h, w) ids; 0 outside the mask, and where no seed is reached.
    """
    labels, width = np.pad(seeds, 1), mask.shape[1] + 2
    water = _Water(labels.ravel(), width)
    relief = _BOUNDARY_SHARE * boundary + (1 - _BOUNDARY_SHARE) * (1 - energy)
    level = np.searchsorted(_LEVELS, relief[mask]).astype(np.uint8)  # bytes are sorted fastest
    order = np.argsort(level, kind="stable")
    ends = np.searchsorted(level[order], np.arange(1, len(_LEVELS) + 1))
    for pixels in np.split(np.flatnonzero(np.pad(mask, 1))[order], ends):
        water.rise(pixels)
    return labels[1:-1, 1:-1].copy()


class _Water:
    """Labels that spread over the pixels that are open to them.

    Args:
        labels: (p,) ids of the pixels of a picture with a border of 0, row by row; changed in place.
        width: pixels of a row.
    """

    def __init__(self, labels: IntImage, width: int) -> None:
        self._labels = labels
        self._open = np.zeros(labels.size, bool)
        self._ways = np.array([[-width], [-1], [1], [width]])

    def rise(self, pixels: NDArray[np.intp]) -> None:
        """Open more pixels, and spread until no open one touches a label."""
        dry = pixels[self._labels[pixels] == 0]
        self._open[dry] = True
        beside = self._beside(dry)
        edge = dry[beside > 0]
        self._labels[edge], self._open[edge] = beside[beside > 0], False
        while edge.size:
            edge = self._next(edge)
            self._labels[edge] = self._beside(edge)

    def _beside(self, pixels: NDArray[np.intp]) -> IntImage:
        """(n,) greatest label of each pixel's four neighbours."""
        return self._labels[pixels + self._ways].max(axis=0)

    def _next(self, edge: NDArray[np.intp]) -> NDArray[np.intp]:
        """Open neighbours of the edge, each once, now closed."""
        found = []
        for way in self._ways[:, 0]:
            near = edge + way
            near = near[self._open[near]]
            self._open[near] = False
            found.append(near)
        return np.concatenate(found)
