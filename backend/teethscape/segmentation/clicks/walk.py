"""Random walks on a pixel grid between marks (Grady, IEEE TPAMI 2006; with priors: CVPR 2005).

Each pixel gets the probability that a walker from there first arrives at a mark of the tooth
and not at one of the rest. Walkers seldom step over what the network holds for a border, over
a change of colour, or from tooth to gum. Marks are weights per pixel: large ones bind, small
ones lean.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import splu

FloatImage = NDArray[np.float32]
Weights = NDArray[np.float64]
#: Weight of a mark that binds.
BINDS = 1e3


@dataclass(frozen=True)
class StepCosts:
    """How much a step is avoided, per unit of each difference.

    Attributes:
        border: of boundary probability.
        colour: of distance in Lab (each channel 0-1).
        tooth: of tooth probability.
        least: conductance that every step keeps.
    """

    border: float = 4.0
    colour: float = 10.0
    tooth: float = 4.0
    least: float = 1e-3


@dataclass(frozen=True, eq=False)
class Grid:
    """A window of a photo's maps, perhaps at half the resolution.

    Attributes:
        tooth: (h, w) tooth probability.
        boundary: (h, w) boundary probability.
        lab: (h, w, 3) colours, each channel 0-1.
        instances: (h, w) automatic instances, 0 none.
        window: rows and columns of the working picture.
        stride: working pixels per grid pixel.
    """

    tooth: FloatImage
    boundary: FloatImage
    lab: FloatImage
    instances: NDArray[np.int32]
    window: tuple[slice, slice]
    stride: int

    def distance(self, point: tuple[float, float]) -> NDArray[np.float64]:
        """(h, w) distance of each grid pixel from a working pixel (x, y), in working pixels."""
        rows, columns = self.tooth.shape
        x = (point[0] - self.window[1].start) / self.stride
        y = (point[1] - self.window[0].start) / self.stride
        return self.stride * np.hypot(np.arange(columns)[None] - x, np.arange(rows)[:, None] - y)

    def reduced(self, image: NDArray, method: int = cv2.INTER_AREA) -> FloatImage:
        """A working picture's window on this grid."""
        return _fitted(image[self.window], self.tooth.shape, method)

    def enlarged(self, values: NDArray) -> FloatImage:
        """Grid values at the window's working resolution."""
        rows, columns = self.window
        size = rows.stop - rows.start, columns.stop - columns.start
        return _fitted(values, size, cv2.INTER_LINEAR)


def _fitted(image: NDArray, size: tuple[int, ...], method: int) -> FloatImage:
    image = np.ascontiguousarray(image, np.float32)
    if image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=method), np.float32)


def walk(grid: Grid, tooth: Weights, rest: Weights, costs: StepCosts) -> FloatImage:
    """Probability (h, w) that a walker arrives at the tooth first.

    Args:
        grid: where it walks.
        tooth: (h, w) weight of the tooth's marks.
        rest: (h, w) weight of the other marks; both together must not be zero everywhere.
        costs: of its steps.
    """
    count = tooth.size
    index = np.arange(count).reshape(tooth.shape)
    one, two, conductance = (np.concatenate(parts) for parts in zip(*_steps(grid, index, costs), strict=True))
    rows, columns = np.concatenate([one, two]), np.concatenate([two, one])
    links = coo_matrix((np.tile(conductance, 2), (rows, columns)), (count, count)).tocsr()
    degree = np.asarray(links.sum(axis=1)).ravel()
    system = (diags(degree + (tooth + rest).ravel() + 1e-9) - links).tocsc()
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return factors.solve(tooth.ravel()).reshape(tooth.shape).astype(np.float32)


def _steps(
    grid: Grid, index: NDArray[np.intp], costs: StepCosts
) -> list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]]:
    """Neighbours to the right and below: both pixels and the conductance between them."""
    found = []
    every, first, last = slice(None), slice(None, -1), slice(1, None)
    for a, b in (((every, first), (every, last)), ((first, every), (last, every))):
        border = np.maximum(grid.boundary[a], grid.boundary[b])
        colour = np.linalg.norm(grid.lab[a] - grid.lab[b], axis=2)
        change = np.abs(grid.tooth[a] - grid.tooth[b])
        cost = costs.border * border + costs.colour * colour + costs.tooth * change
        found.append((index[a].ravel(), index[b].ravel(), (np.exp(-cost) + costs.least).ravel()))
    return found
