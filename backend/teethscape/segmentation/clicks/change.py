"""A later click: the mask changes around it, in the click's direction alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.segmentation.clicks.interface import Clicks, Mask
from teethscape.segmentation.clicks.walk import BINDS, Grid, StepCosts, walk

if TYPE_CHECKING:
    from teethscape.segmentation.clicks.net_engine import Seen


@dataclass(frozen=True)
class ChangeRules:
    """How far a click reaches; the distance is that from the click to the mask's outline.

    Attributes:
        factor: reach in units of that distance.
        added: px added to that.
        farthest: largest distance that counts, as a share of the picture's longer side.
        stay: weight of the mask as it was.
        instance: weight of the automatic instance under the click.
        seed: largest radius of the click itself, px; at most half the distance.
        coarse: reach in px beyond which half the resolution is enough.
    """

    factor: float = 2.2
    added: float = 5.0
    farthest: float = 0.06
    stay: float = 0.001
    instance: float = 0.005
    seed: float = 6.0
    coarse: float = 48.0


_COSTS = StepCosts(border=4.0)
#: Radius of earlier clicks, px.
_FORMER = 1.5


def changed(seen: Seen, mask: Mask, clicks: Clicks, number: int, rules: ChangeRules | None = None) -> Mask:
    """The mask after one more click.

    Args:
        seen: the photo.
        mask: (h, w) before the click, working size.
        clicks: all clicks, working pixels.
        number: which of them is heard now; earlier ones stay true.
        rules: lengths and weights.

    Returns:
        (h, w): larger by a part that holds the click, or smaller by one.
    """
    rules = rules or ChangeRules()
    (x, y), adds = clicks.points[number], clicks.labels[number]
    row, column = round(y), round(x)
    distance = _distance(mask if not adds else ~mask, row, column, rules.farthest * seen.size)
    reach = rules.factor * distance + rules.added
    around = reach + 2
    grid = seen.grid((x - around, y - around), (x + around, y + around), 2 if reach > rules.coarse else 1)
    was = grid.reduced(mask, cv2.INTER_NEAREST) > 0.5
    beyond = grid.distance((x, y)) > reach
    marks = _marks(was, beyond, rules)
    under = int(seen.instances[row, column])
    if under and (adds or under != _main_instance(grid, was)):
        marks.of(adds)[0][(grid.instances == under) & ~beyond] += rules.instance
    _press(marks, grid, clicks, number, min(0.5 * distance, rules.seed))
    new = mask.copy()
    new[grid.window] = grid.enlarged(walk(grid, marks.tooth, marks.rest, _COSTS)) > 0.5
    return _merged(mask, new, row, column, adds)


@dataclass(frozen=True, eq=False)
class _Marks:
    """Weights per grid pixel of what is tooth and what is not; altered in place."""

    tooth: NDArray[np.float64]
    rest: NDArray[np.float64]

    def of(self, adds: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The weights that a click strengthens, and the others."""
        return (self.tooth, self.rest) if adds else (self.rest, self.tooth)


def _distance(side: Mask, row: int, column: int, farthest: float) -> float:
    """Distance from the click to the outline, px, when it lies on the side that must change."""
    if not side[row, column]:
        return 3.0
    inside = cv2.distanceTransform(np.pad(side.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return min(float(inside[row, column]), farthest)


def _marks(was: Mask, beyond: Mask, rules: ChangeRules) -> _Marks:
    """The mask binds beyond the click's reach and leans within."""
    weight = np.where(beyond, BINDS, rules.stay)
    return _Marks(np.where(was, weight, 0.0), np.where(was, 0.0, weight))


def _main_instance(grid: Grid, was: Mask) -> int:
    counts = np.bincount(grid.instances[was].ravel(), minlength=1)
    return int(counts.argmax())


def _press(marks: _Marks, grid: Grid, clicks: Clicks, number: int, radius: float) -> None:
    """Clicks bind: this one with its radius, earlier ones with a small one."""
    for k in range(number + 1):
        near = grid.distance(clicks.points[k]) <= max(radius if k == number else _FORMER, _FORMER)
        own, other = marks.of(clicks.labels[k])
        own[near], other[near] = BINDS, 0.0


def _merged(mask: Mask, new: Mask, row: int, column: int, adds: bool) -> Mask:
    """Only what changes in the click's direction and hangs together with it."""
    change = (new & ~mask) if adds else (mask & ~new)
    if not change[row, column]:
        return mask
    _, parts = cv2.connectedComponents(change.astype(np.uint8))
    part = parts == parts[row, column]
    return mask | part if adds else mask & ~part
