"""From probability maps to tooth instances: seeds, watershed, and merging of over-cut teeth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.segmentation.flood import flood
from teethscape.segmentation.network import FloatImage, PixelMaps
from teethscape.segmentation.region_graph import boxes_of, merge_regions

IntImage = NDArray[np.int32]


@dataclass(frozen=True)
class InstanceRules:
    """How instances are cut; lengths are shares of the picture's longer side.

    Attributes:
        boundary: boundary probability above which a pixel parts teeth.
        seed_blur: smoothing of the seed field.
        seed_gap: smallest distance between seeds.
        smallest: smallest side of a square as large as a tooth's visible part.
        apart: widest gap in the row of teeth; what lies farther off is glove, retractor or highlight.
    """

    boundary: float = 0.45
    seed_blur: float = 0.004
    seed_gap: float = 0.012
    smallest: float = 0.016
    apart: float = 0.07


def _seed_field(maps: PixelMaps, mask: NDArray[np.bool_], rules: InstanceRules) -> FloatImage:
    """Large in the middle of teeth: distance to any border, backed by the energy map."""
    side = max(mask.shape)
    free = (mask & (maps.boundary < rules.boundary)).astype(np.uint8)
    distance = cv2.distanceTransform(free, cv2.DIST_L2, 5) / side
    return cv2.GaussianBlur(distance * (0.4 + maps.energy), (0, 0), rules.seed_blur * side)


def find_seeds(maps: PixelMaps, mask: NDArray[np.bool_], rules: InstanceRules) -> IntImage:
    """(h, w) markers 1..n at the peaks of the seed field."""
    field = _seed_field(maps, mask, rules)
    side = max(mask.shape)
    reach = 2 * round(rules.seed_gap * side) + 1
    highest = cv2.dilate(field, np.ones((reach, reach), np.uint8))
    peaks = (field == highest) & (field > 0.0015) & mask
    _, seeds = cv2.connectedComponents(cv2.dilate(peaks.astype(np.uint8), np.ones((3, 3))))
    return np.where(mask, seeds, 0).astype(np.int32)


def _without_scraps(labels: IntImage, rules: InstanceRules) -> IntImage:
    """Only regions of a tooth's size, each its largest connected part, renumbered from 1."""
    smallest = (rules.smallest * max(labels.shape)) ** 2
    out = np.zeros_like(labels)
    number = 0
    for region, box in boxes_of(labels).items():
        part = largest_part(labels[box] == region)
        if part.sum() >= smallest:
            number += 1
            out[box][part] = number
    return out


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a mask."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return parts == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if count > 1 else mask


def agreeing(labels: IntImage, chance: FloatImage) -> FloatImage:
    """Tooth probability (h, w) that is above a half where there is a label, and nowhere else."""
    return np.where(labels > 0, np.maximum(chance, 0.501), np.minimum(chance, 0.499)).astype(np.float32)


def without_holes(labels: IntImage) -> IntImage:
    """Labels whose holes are filled where one tooth surrounds them: dark fissures and fillings, no gaps."""
    out = labels.copy()
    for number, box in boxes_of(labels).items():
        own = (labels[box] == number).astype(np.uint8)
        borders, _ = cv2.findContours(own, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        whole = cv2.drawContours(np.zeros_like(own), borders, -1, 1, cv2.FILLED)
        out[box][(whole > 0) & (labels[box] == 0)] = number
    return out


def _main_row(labels: IntImage, rules: InstanceRules) -> IntImage:
    """Drop instances that lie apart from the dentition: small groups beyond ``rules.apart``."""
    away = cv2.distanceTransform((labels == 0).astype(np.uint8), cv2.DIST_L2, 5)
    near = away <= 0.5 * rules.apart * max(labels.shape)
    _, groups = cv2.connectedComponents(near.astype(np.uint8))
    areas = np.bincount(groups[labels > 0], minlength=int(groups.max()) + 1)
    keep = areas >= 0.25 * areas.max()
    keep[0] = False
    return np.where(keep[groups], labels, 0)


def clean_mask(chance: FloatImage, rules: InstanceRules) -> NDArray[np.bool_]:
    """Teeth against the rest: pin-holes closed, specks dropped."""
    mask = (chance > 0.5).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    smallest = (rules.smallest * max(mask.shape)) ** 2
    holes, specks = small_parts(mask == 0, 0.15 * smallest), small_parts(mask > 0, smallest)
    return ((mask > 0) | holes) & ~specks


def small_parts(mask: NDArray[np.bool_], least: float, connectivity: int = 8) -> NDArray[np.bool_]:
    """Pixels of a mask whose connected part has an area below ``least``, px."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    small = stats[:, cv2.CC_STAT_AREA] < least
    small[0] = False
    return small[np.asarray(parts, np.intp)]


def cut_instances(maps: PixelMaps, chance: FloatImage, rules: InstanceRules | None = None) -> IntImage:
    """(h, w) tooth ids 1..n, 0 none.

    Args:
        maps: probabilities of the network.
        chance: tooth probability to use for the outline (perhaps refined).
        rules: sizes and thresholds.
    """
    rules = rules or InstanceRules()
    mask = clean_mask(chance, rules)
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    regions = flood(maps.boundary, maps.energy, mask, find_seeds(maps, mask, rules))
    merged = merge_regions(regions, maps)
    return without_holes(_without_scraps(_main_row(merged, rules), rules))
