"""Tooth labels from jaw masks and hand-drawn cuts between neighbours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw

#: Cuts that we drew over the public jaw masks of case-c of the shared folder.
CASE_C_CUTS = Path(__file__).parent / "data" / "case_c_cuts.json"
_JAW_VALUES = {Jaw.UPPER: 1, Jaw.LOWER: 2}
#: Half width in px of the zone in which a cut may follow the dark line between two teeth.
_ZONE = 4


@dataclass(frozen=True)
class JawCuts:
    """Cuts of one jaw in one photo.

    Attributes:
        teeth: FDI numbers from the patient's right to the left.
        cuts: polylines (n, 2) in px; cut k parts teeth k and k + 1.
    """

    teeth: tuple[int, ...]
    cuts: tuple[NDArray[np.float64], ...]


def read_cuts(path: Path = CASE_C_CUTS) -> dict[int, dict[Jaw, JawCuts]]:
    """Cuts by photo number and jaw."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return {
        int(photo): {
            Jaw(jaw): JawCuts(tuple(d["teeth"]), tuple(np.array(c, float) for c in d["cuts"]))
            for jaw, d in jaws.items()
        }
        for photo, jaws in data.items()
        if photo != "about"
    }


def _side_points(cut: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The points a few px to either side of the middle of a cut."""
    middle = cut.mean(axis=0)
    along = cut[-1] - cut[0]
    across = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    return middle + 10 * across, middle - 10 * across


def _beyond(inner: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """A point a few px past the end of a cut, so that it parts the whole mask."""
    along = end - inner
    return end + 8 * along / np.linalg.norm(along)


def _parts(mask: NDArray[np.uint8], cuts: JawCuts) -> NDArray[np.int32]:
    """Connected parts of a mask after drawing the cuts ``2 * _ZONE`` wide, scraps removed."""
    open_mask = mask.copy()
    for cut in cuts.cuts:
        ends = [_beyond(cut[1], cut[0]), *cut, _beyond(cut[-2], cut[-1])]
        cv2.polylines(open_mask, [np.round(ends).astype(np.int32)], False, 0, 2 * _ZONE)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(open_mask, connectivity=4)
    for part in range(1, count):
        if stats[part, cv2.CC_STAT_AREA] < 60:
            parts[parts == part] = 0
    return parts


def _nearest_part(parts: NDArray[np.int32], point: NDArray[np.float64]) -> int:
    """The part closest to a point (x, y)."""
    rows, columns = np.nonzero(parts)
    best = int(np.argmin((columns - point[0]) ** 2 + (rows - point[1]) ** 2))
    return int(parts[rows[best], columns[best]])


def tooth_seeds(mask: NDArray[np.uint8], cuts: JawCuts) -> NDArray[np.int32]:
    """(h, w) FDI numbers of one jaw, 0 outside and in the zone about each cut."""
    parts = _parts(mask, cuts)
    centres = {int(p): np.argwhere(parts == p).mean(axis=0)[::-1] for p in np.unique(parts) if p}
    first = _side_points(cuts.cuts[0])
    to_second = cuts.cuts[1].mean(axis=0)
    start = max(first, key=lambda p: float(np.linalg.norm(p - to_second)))
    chain = [_nearest_part(parts, start)]
    for cut in cuts.cuts:
        sides = [_nearest_part(parts, p) for p in _side_points(cut)]
        chain.append(next((s for s in sides if s not in chain), chain[-1]))
    seeds = np.zeros(parts.shape, np.int32)
    for part, centre in centres.items():
        owner = min(chain, key=lambda c: float(np.linalg.norm(centres[c] - centre)))
        if part in chain:
            owner = part
        seeds[parts == part] = cuts.teeth[chain.index(owner)]
    return seeds


def cut_teeth(
    pixels: NDArray[np.uint8], jaws: NDArray[np.uint8], cuts: dict[Jaw, JawCuts]
) -> NDArray[np.uint8]:
    """FDI labels (h, w) from a photo, its jaw mask (1 upper, 2 lower) and the cuts.

    Near a cut the labels follow the dark line between the teeth (watershed).
    """
    labels = np.zeros(jaws.shape, np.uint8)
    for jaw, jaw_cuts in cuts.items():
        own = (jaws == _JAW_VALUES[jaw]).astype(np.uint8)
        mask = cv2.morphologyEx(own, cv2.MORPH_CLOSE, np.ones((3, 3))).astype(np.uint8)
        seeds = tooth_seeds(mask, jaw_cuts)
        seeds[mask == 0] = 255
        bright = cv2.GaussianBlur(pixels, (0, 0), 1.0)
        filled = cv2.watershed(bright, seeds.copy())
        line = filled < 0
        if line.any():
            inner = np.where(line, 0, filled).astype(np.uint8)
            filled = np.where(
                line, cv2.dilate(np.where(inner == 255, 0, inner).astype(np.uint8), np.ones((3, 3))), filled
            )
        teeth = (mask > 0) & (filled > 0) & (filled != 255)
        labels[teeth] = filled[teeth]
    return labels
