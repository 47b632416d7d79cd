"""Merges neighbouring regions that are one tooth: weak border, convex union, one kind."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from teethscape.segmentation.network import FloatImage, PixelMaps

IntImage = NDArray[np.int32]
Box = tuple[slice, slice]
_MARGIN = 4


@dataclass(frozen=True)
class MergeRules:
    """Weights of the evidence for merging two regions; above zero they are one tooth.

    Attributes:
        border: boundary probability at which the shared border is neither a border nor none.
        strength: weight of the border, per unit of probability.
        convexity: weight of the union's gain in convexity over its parts.
        kind: weight of agreement in tooth kind, where the network knows the kinds.
        sliver: bonus where one part is tiny.
        bias: added to all.
        largest: area of a union beyond which it is too large, in median areas of whole teeth.
    """

    border: float = 0.45
    strength: float = 6.0
    convexity: float = 6.0
    kind: float = 1.5
    sliver: float = 0.8
    bias: float = -0.2
    largest: float = 2.6


def _borders(regions: IntImage) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Pairs (a, b) with a < b of touching regions and the flat pixel, one row per contact."""
    pairs, pixels = [], []
    index = np.arange(regions.size).reshape(regions.shape)
    for one, two, where in (
        (regions[:, :-1], regions[:, 1:], index[:, :-1]),
        (regions[:-1], regions[1:], index[:-1]),
    ):
        touch = (one != two) & (one > 0) & (two > 0)
        low, high = np.minimum(one, two)[touch], np.maximum(one, two)[touch]
        pairs.append(np.column_stack([low, high]).astype(np.int64))
        pixels.append(where[touch])
    return np.vstack(pairs), np.concatenate(pixels)


def _solidity(mask: NDArray[np.bool_]) -> float:
    """Share of the convex hull that the region fills."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.vstack(contours)
    hull = cv2.contourArea(cv2.convexHull(points))
    return float(mask.sum()) / max(hull, 1.0)


def boxes_of(labels: IntImage) -> dict[int, Box]:
    """Rows and columns of every id but 0, with a margin wider than any neighbourhood that is looked at."""
    found = ((i, box) for i, box in enumerate(find_objects(labels), 1) if box is not None)
    return {i: (_widened(rows), _widened(columns)) for i, (rows, columns) in found}


def _widened(along: slice) -> slice:
    return slice(max(along.start - _MARGIN, 0), along.stop + _MARGIN)


def joined(*boxes: Box) -> Box:
    """The smallest box that holds all of some."""
    rows, columns = zip(*boxes, strict=True)
    return _span(rows), _span(columns)


def _span(along: tuple[slice, ...]) -> slice:
    return slice(min(one.start for one in along), max(one.stop for one in along))


@dataclass(frozen=True)
class _Region:
    """What is asked of a region again for each of its neighbours.

    Attributes:
        area: px.
        solidity: share of its convex hull that it fills.
        kinds: (7,) mean kind probabilities.
    """

    area: int
    solidity: float
    kinds: FloatImage

    @classmethod
    def of(cls, mask: NDArray[np.bool_], kinds: FloatImage) -> _Region:
        """Of the pixels of a mask (h, w)."""
        return cls(int(mask.sum()), _solidity(mask), kinds)

    def kinds_with(self, other: _Region) -> FloatImage:
        """(7,) mean kind probabilities of both."""
        both = (self.area * self.kinds + other.area * other.kinds) / (self.area + other.area)
        return both.astype(np.float32)


def _evidence(
    regions: IntImage,
    boundary: FloatImage,
    pair: tuple[int, int],
    known: dict[int, _Region],
    rules: MergeRules,
) -> float:
    """Log-odds-like score that the two regions of a picture are one tooth."""
    a, b = regions == pair[0], regions == pair[1]
    one, two = known[pair[0]], known[pair[1]]
    strength = _ridge(boundary, _grown(a) & _grown(b))
    areas = one.area, two.area
    before = (areas[0] * one.solidity + areas[1] * two.solidity) / sum(areas)
    closed = cv2.morphologyEx((a | b).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3))) > 0
    rounder = _solidity(closed) - before
    sliver = 1.0 if min(areas) < 0.12 * max(areas) else 0.0
    return (
        rules.strength * (rules.border - strength)
        + rules.convexity * rounder
        + rules.kind * _agreement(one.kinds, two.kinds)
        + rules.sliver * sliver
        + rules.bias
    )


def _agreement(one: FloatImage, two: FloatImage) -> float:
    """From -1 (surely of different kinds) over 0 (unknown) to 1 (surely of one kind).

    Two central incisors stand side by side: that both regions look like one says nothing.
    """
    knowledge = float(np.sqrt((one.max() - 1 / 7) * (two.max() - 1 / 7)))
    common = np.minimum(one, two)
    overlap = float(common.sum() - 0.5 * common[0])
    return knowledge * (2 * overlap - 1)


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask two pixels larger."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))) > 0


def _ridge(boundary: NDArray[np.float32], contact: NDArray[np.bool_]) -> float:
    """Height of the boundary along a contact: mean of its average and its weak places.

    A fissure is a border here and there; two teeth have one all along.
    """
    if not contact.any():
        return 1.0
    local = cv2.dilate(boundary, np.ones((3, 3)))[contact]
    return float(local.mean() + np.percentile(local, 20)) / 2


def merge_regions(regions: IntImage, maps: PixelMaps, rules: MergeRules | None = None) -> IntImage:
    """Merge greedily, best evidence first, until no pair has evidence above zero."""
    rules = rules or MergeRules()
    out = regions.copy()
    boxes, cache = boxes_of(out), dict[tuple[int, int], float]()
    kinds = maps.kinds_of(out)
    known = {i: _Region.of(out[box] == i, kinds[i]) for i, box in boxes.items()}
    while True:
        pairs, _ = _borders(out)
        if not len(pairs):
            return out
        unique, counts = np.unique(pairs, axis=0, return_counts=True)
        found = [(int(a), int(b)) for (a, b), n in zip(unique, counts, strict=True) if n >= 4]
        for pair in found:
            if pair not in cache:
                box = joined(*(boxes[i] for i in pair))
                cache[pair] = _evidence(out[box], maps.boundary[box], pair, known, rules)
        largest = _size_limit(out, rules)
        areas = np.bincount(out.ravel())
        open_pairs = [p for p in found if areas[p[0]] + areas[p[1]] < largest]
        best = max(open_pairs, key=lambda p: cache[p], default=None)
        if best is None or cache[best] <= 0:
            return out
        taken = out[boxes[best[1]]]
        taken[taken == best[1]] = best[0]
        box = boxes[best[0]] = joined(boxes[best[0]], boxes[best[1]])
        known[best[0]] = _Region.of(out[box] == best[0], known[best[0]].kinds_with(known[best[1]]))
        cache = {p: v for p, v in cache.items() if best[0] not in p and best[1] not in p}


def _size_limit(regions: IntImage, rules: MergeRules) -> float:
    """Largest area in px that a single tooth may have here."""
    areas = np.bincount(regions.ravel())[1:]
    areas = np.sort(areas[areas > 0])
    return rules.largest * float(np.median(areas[len(areas) // 2 :]))
