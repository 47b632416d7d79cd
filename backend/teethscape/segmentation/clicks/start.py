"""The first mask of a tooth: from the first adding click, or from a box."""

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
class StartRules:
    """Lengths are shares of the picture's longer side, weights those of marks.

    Attributes:
        reach: how far a tooth may extend from its first click.
        instance: weight of the automatic instances.
        gum: weight of what is no tooth.
        seed: radius of a click, grid pixels.
        lift: around a click on what the network holds for no tooth, how far it is believed instead.
        inside: share of an instance that must lie in a box to belong to it.
    """

    reach: float = 0.15
    instance: float = 0.02
    gum: float = 0.05
    seed: float = 2.0
    lift: float = 0.03
    inside: float = 0.6


_STRIDE = 2
_COSTS = StepCosts(border=6.0)


def first_mask(seen: Seen, clicks: Clicks, rules: StartRules | None = None) -> Mask:
    """(h, w) mask at the working size.

    Args:
        seen: the photo.
        clicks: in working pixels; the box if there is one, else the first point, which adds.
        rules: lengths and weights.
    """
    rules = rules or StartRules()
    box = clicks.box
    point = clicks.points[0] if box is None else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    grid = _window(seen, point, box, rules)
    near = grid.distance(point)
    own = _own_instances(grid, seen, point, box, rules)
    chance = _lifted(grid.tooth, near, rules.lift * seen.size)
    tooth = rules.instance * own + BINDS * (near <= rules.seed * _STRIDE)
    rest = rules.instance * ((grid.instances > 0) & ~own) + rules.gum * (1.0 - chance) ** 2
    if box is not None:
        rest = rest + BINDS * ~_in_box(grid, box)
    rest = np.where(near <= rules.seed * _STRIDE, 0.0, rest)
    arrived = walk(_with_tooth(grid, chance), tooth, rest, _COSTS)
    out = np.zeros(seen.tooth.shape, bool)
    out[grid.window] = grid.enlarged(arrived) > 0.5
    return _part_at(out, point)


def _window(seen: Seen, point: tuple[float, float], box: tuple[float, ...] | None, rules: StartRules) -> Grid:
    reach = rules.reach * seen.size
    if box is None:
        return seen.grid((point[0] - reach, point[1] - reach), (point[0] + reach, point[1] + reach), _STRIDE)
    margin = 0.1 * max(box[2] - box[0], box[3] - box[1]) + 2 * _STRIDE
    stride = _STRIDE * max(1, round(max(box[2] - box[0], box[3] - box[1]) / (2.5 * reach)))
    return seen.grid((box[0] - margin, box[1] - margin), (box[2] + margin, box[3] + margin), stride)


def _own_instances(
    grid: Grid, seen: Seen, point: tuple[float, float], box: tuple[float, ...] | None, rules: StartRules
) -> NDArray[np.bool_]:
    """(h, w) automatic instances that belong to the tooth: under the click, or within the box."""
    if box is None:
        under = int(seen.instances[round(point[1]), round(point[0])])
        return (grid.instances == under) & (under > 0)
    within = grid.instances[_in_box(grid, box)]
    counts, whole = np.bincount(within), np.bincount(seen.instances.ravel()) / grid.stride**2
    own = [i for i in range(1, len(counts)) if counts[i] > rules.inside * whole[i]]
    return np.isin(grid.instances, own)


def _in_box(grid: Grid, box: tuple[float, ...]) -> NDArray[np.bool_]:
    rows, columns = grid.tooth.shape
    x = grid.window[1].start + grid.stride * np.arange(columns)[None]
    y = grid.window[0].start + grid.stride * np.arange(rows)[:, None]
    return (x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])


def _lifted(tooth: NDArray[np.float32], near: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Tooth probability, raised around a click on what the network holds for no tooth."""
    safe = np.clip(tooth.astype(np.float64), 1e-3, 1 - 1e-3)
    logit = np.log(safe / (1 - safe))
    lack = 1.0 - float(logit.ravel()[int(near.argmin())])
    if lack > 0:
        logit = logit + lack * np.exp(-(near**2) / (2 * reach**2))
    return 1 / (1 + np.exp(-logit))


def _with_tooth(grid: Grid, tooth: NDArray[np.float64]) -> Grid:
    return Grid(tooth.astype(np.float32), grid.boundary, grid.lab, grid.instances, grid.window, grid.stride)


def _part_at(mask: Mask, point: tuple[float, float]) -> Mask:
    """The connected part under a point; the point alone when there is none."""
    row, column = round(point[1]), round(point[0])
    out = np.zeros_like(mask)
    if not mask[row, column]:
        out[row, column] = True
        return out
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    return parts == parts[row, column]
