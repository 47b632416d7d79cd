"""What one view's label image says about its instances: place, size, elongation, order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw
from teethscape.dental.masks import at_size, ids_of
from teethscape.parametric.numbering.kinds import NOTHING_KNOWN, kind_costs
from teethscape.parametric.rotation import FloatArray

#: Instances smaller than this share of the median area are no teeth.
SLIVER_SHARE = 0.06
#: Longer side of the label images that are measured, px.
MEASURED_SIZE = 640


@dataclass(frozen=True)
class NumberingView:
    """One view to number.

    Attributes:
        instances: (h, w) arbitrary instance ids, 0 = none.
        jaw_of: jaw of each id, or None when unknown.
        width: width of the photo in px; that of ``instances``.
        height: height of the photo in px; that of ``instances``.
        focal_px: focal length from EXIF in px, or None.
        named: FDI number of each id that the user has named.
        kinds: chance of each place in the quadrant (7,) of ids, central incisor to second molar.
    """

    instances: NDArray[np.int32]
    jaw_of: Mapping[int, Jaw] | None
    width: int
    height: int
    focal_px: float | None = None
    named: Mapping[int, int] = field(default_factory=dict)
    kinds: Mapping[int, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Instances:
    """Measured instances of one view, slivers left out.

    Attributes:
        ids: (n,) label values.
        centre: (n, 2) centroids, px.
        area: (n,) px^2.
        spread: (n, 2, 2) second moments about the centroid, px^2.
        whole: (n,) false where the picture's border cuts the instance.
        kind_cost: (n, 7) nats that each kind of tooth costs, 0 where nothing is known (``kinds.py``).
    """

    ids: NDArray[np.int32]
    centre: FloatArray
    area: FloatArray
    spread: FloatArray
    whole: NDArray[np.bool_]
    kind_cost: FloatArray

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, rows: NDArray) -> Instances:
        """The instances chosen by a mask or an index."""
        return Instances(
            self.ids[rows],
            self.centre[rows],
            self.area[rows],
            self.spread[rows],
            self.whole[rows],
            self.kind_cost[rows],
        )


def shrunk(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], float]:
    """Label image with at most ``MEASURED_SIZE`` px, and new px per old px."""
    height, width = labels.shape
    factor = min(1.0, MEASURED_SIZE / max(height, width))
    if factor == 1.0:
        return labels, 1.0
    size = (round(width * factor), round(height * factor))
    return at_size(labels, size), size[0] / width


def measure(labels: NDArray[np.int32], kinds: Mapping[int, Sequence[float]] = NOTHING_KNOWN) -> Instances:
    """Moments of every instance of labels (h, w), and what ``kinds`` says of it; slivers are left out."""
    height, width = labels.shape
    y, x = np.nonzero(labels)
    values = np.array(ids_of(labels), np.int32)
    n = len(values)
    rank = np.zeros(int(values.max(initial=0)) + 1, np.intp)
    rank[values] = np.arange(n)
    inverse = rank[labels[y, x]]
    area = np.bincount(inverse, minlength=n).astype(float)
    mx, my = (np.bincount(inverse, c, n) / area for c in (x, y))
    dx, dy = x - mx[inverse], y - my[inverse]
    spread = np.empty((n, 2, 2))
    spread[:, 0, 0] = np.bincount(inverse, dx * dx, n) / area + 1 / 12
    spread[:, 1, 1] = np.bincount(inverse, dy * dy, n) / area + 1 / 12
    spread[:, 0, 1] = spread[:, 1, 0] = np.bincount(inverse, dx * dy, n) / area
    cut = np.zeros(n, bool)
    cut[inverse[(x < 2) | (y < 2) | (x >= width - 2) | (y >= height - 2)]] = True
    costs = kind_costs(values, kinds)
    found = Instances(values, np.stack([mx, my], axis=1), area, spread, ~cut, costs)
    return found.only(area >= SLIVER_SHARE * np.median(area)) if n else found


def along_arch(centre: FloatArray, incisors_up: bool) -> NDArray[np.intp]:
    """Order of an occlusal view's centroids from the image's left end of the arch to its right.

    Args:
        centre: (n, 2) px.
        incisors_up: true when the front teeth are at the top of the picture.
    """
    up = -1.0 if incisors_up else 1.0
    front_down = up * centre[:, 1]
    middle = np.array([0.5 * (centre[:, 0].min() + centre[:, 0].max()), np.quantile(front_down, 0.2)])
    angle = np.arctan2(centre[:, 0] - middle[0], front_down - middle[1])
    return _shortest(centre, np.argsort(angle))


def _shortest(centre: FloatArray, order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Exchange neighbours of a path while that makes it shorter."""
    distance = np.linalg.norm(centre[:, None] - centre[None], axis=2)

    def length(path: NDArray[np.intp]) -> float:
        return float(distance[path[:-1], path[1:]].sum())

    best, improved = order, True
    while improved:
        improved = False
        for k in range(len(best) - 1):
            other = best.copy()
            other[[k, k + 1]] = other[[k + 1, k]]
            if length(other) < length(best) - 1e-6:
                best, improved = other, True
    return best


def split_rows(found: Instances) -> NDArray[np.bool_]:
    """(n,) true for the lower row of a view with both jaws (larger y).

    Two parallel parabolas are fitted to the centroids from several slopes; the pair
    that leaves the smallest residual for its distance wins.
    """
    if len(found) < 2:
        return np.zeros(len(found), bool)
    scale = np.sqrt(np.median(found.area))
    x = (found.centre[:, 0] - found.centre[:, 0].mean()) / scale
    y = (found.centre[:, 1] - found.centre[:, 1].mean()) / scale
    weight = np.sqrt(np.minimum(found.area / np.median(found.area), 1.0))
    best, lower = np.inf, np.zeros(len(found), bool)
    for slope in (-0.4, -0.2, 0.0, 0.2, 0.4):
        for bend in (-0.06, 0.0, 0.06):
            rows, cost = _two_rows(x, y, weight, (slope, bend))
            if cost < best:
                best, lower = cost, rows
    return lower


def _two_rows(
    x: FloatArray, y: FloatArray, weight: FloatArray, start: tuple[float, float]
) -> tuple[NDArray[np.bool_], float]:
    flat = y - start[0] * x - start[1] * x * x
    lower = flat > np.median(flat)
    residual, half, bend = flat, 0.5, 0.0
    for _ in range(8):
        basis = np.stack([np.ones_like(x), x, x * x, np.where(lower, 0.5, -0.5)], axis=1)
        ridge = np.diag([0.0, 0.3, 40.0, 0.0])  # rows of teeth are nearly level and little bent
        normal = basis.T @ (weight[:, None] * basis) + ridge + 1e-9 * np.eye(4)
        coefficients = np.linalg.solve(normal, basis.T @ (weight * y))
        middle = y - basis[:, :3] @ coefficients[:3]
        half, bend = float(coefficients[3]), float(coefficients[2])
        residual = y - basis @ coefficients
        rows = middle > 0
        if (rows == lower).all() or rows.all() or not rows.any():
            break
        lower = rows
    cost = float((weight * residual**2).sum() + 40 * bend**2) / max(half, 0.1) ** 2
    return lower, cost
