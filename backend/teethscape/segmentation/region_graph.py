"""Merges neighbouring regions that are one tooth: weak border, convex union, one kind."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.segmentation.network import PixelMaps

IntImage = NDArray[np.int32]


@dataclass(frozen=True)
class MergeRules:
    """Weights of the evidence for merging two regions; above zero they are one tooth.

    Attributes:
        border: boundary probability at which the shared border is neither a border nor none.
        convexity: gain of the union's convexity over the parts' that is neutral.
        kind: overlap of the kind histograms that is neutral.
        largest: area of a union beyond which it is too large, in median areas of whole teeth.
    """

    border: float = 0.42
    convexity: float = 0.0
    kind: float = 0.5
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


def _kinds(maps: PixelMaps, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean kind probabilities (7,) of a region."""
    return maps.kind[:, mask].mean(axis=1).astype(np.float64)


def _evidence(regions: IntImage, maps: PixelMaps, pair: tuple[int, int], rules: MergeRules) -> float:
    """Log-odds-like score that two touching regions are one tooth."""
    a, b = regions == pair[0], regions == pair[1]
    strength = _ridge(maps.boundary, _grown(a) & _grown(b))
    union = a | b
    areas = a.sum(), b.sum()
    before = (areas[0] * _solidity(a) + areas[1] * _solidity(b)) / sum(areas)
    closed = cv2.morphologyEx(union.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3))) > 0
    rounder = _solidity(closed) - before
    one, two = _kinds(maps, a), _kinds(maps, b)
    alike = float(np.sqrt(one * two).sum())
    sliver = 1.0 if min(areas) < 0.12 * max(areas) else 0.0
    return (
        6.0 * (rules.border - strength)
        + 8.0 * (rounder - rules.convexity)
        + 1.5 * (alike - rules.kind)
        + 0.8 * sliver
        - 0.6
    )


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask two pixels larger."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))) > 0


def _ridge(boundary: NDArray[np.float32], contact: NDArray[np.bool_]) -> float:
    """Mean height of the boundary's ridge along a contact: at each pixel the largest value next to it."""
    if not contact.any():
        return 1.0
    local = cv2.dilate(boundary, np.ones((3, 3)))
    return float(local[contact].mean())


def merge_regions(regions: IntImage, maps: PixelMaps, rules: MergeRules | None = None) -> IntImage:
    """Merge greedily, best evidence first, until no pair has evidence above zero."""
    rules = rules or MergeRules()
    out = regions.copy()
    cache: dict[tuple[int, int], float] = {}
    while True:
        pairs, _ = _borders(out)
        if not len(pairs):
            return out
        unique, counts = np.unique(pairs, axis=0, return_counts=True)
        found = [(int(a), int(b)) for (a, b), n in zip(unique, counts, strict=True) if n >= 4]
        for pair in found:
            if pair not in cache:
                cache[pair] = _evidence(out, maps, pair, rules)
        largest = _size_limit(out, rules)
        open_pairs = [p for p in found if (out == p[0]).sum() + (out == p[1]).sum() < largest]
        best = max(open_pairs, key=lambda p: cache[p], default=None)
        if best is None or cache[best] <= 0:
            return out
        out[out == best[1]] = best[0]
        cache = {p: v for p, v in cache.items() if best[0] not in p and best[1] not in p}


def _size_limit(regions: IntImage, rules: MergeRules) -> float:
    """Largest area in px that a single tooth may have here."""
    areas = np.bincount(regions.ravel())[1:]
    areas = np.sort(areas[areas > 0])
    return rules.largest * float(np.median(areas[len(areas) // 2 :]))
