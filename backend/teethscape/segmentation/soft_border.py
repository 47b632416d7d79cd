"""Drawn teeth end where the colour is halfway between the tooth and what lies beside it.

Gums are thin at their rim and shine through, so a network, which sees half-size pictures, draws teeth that it
has never seen a pixel or two too large.  A border pixel mixes the colours on its two sides, as in matting
(Porter and Duff 1984): its share of tooth follows from the mean colours of the tooth and of the rest near by.
Lightness is not heard: it tells shade and gloss, which end where the tooth turns away, not where it ends.

This is for label images that people look at and hand on.  The fit keeps the network's borders: on rendered
photos, whose truth is exact, halfway lies half a pixel (of 800) inside the crown, for gums tinge its rim.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.segmentation.instances import agreeing, largest_part, without_holes
from teethscape.segmentation.network import FloatImage
from teethscape.segmentation.region_graph import boxes_of

#: Half width of the zone around a drawn border whose pixels are placed anew, and width of the
#: surroundings whose mean colours are compared, as shares of the longer side.
_ZONE, _NEAR = 0.006, 0.012
#: A border that moves takes its zone along: what lies beyond the first one is reached by the second.
_ROUNDS = 2
#: Least difference of tooth and surroundings (a*, b*): less is no border that a picture shows.
_LEAST = 8.0
#: Least share of the surroundings that must be tooth, and rest, for a mean to say something.
_KNOWN = 0.01
#: Chance of a tooth above which pixels are no surroundings.  A cusp in shadow that was drawn too small
#: would else be compared with itself, and shrink.
_MAYBE = 0.05
#: How far a mixture may lie off the line between the two colours, as a share of their difference.
_OFF = 0.5
#: Side of the smallest square that a piece must be as large as, a share of the longer side.  In rendered
#: photos none of four smaller ones covered half of its tooth; of thirteen up to three times as large nine
#: did.
_SMALLEST = 0.02
#: Means are smooth: they are taken from a picture this many times smaller.
_SMALLER = 4
#: Blur against grain, px.
_GRAIN = 0.7


@dataclass(frozen=True)
class _Mean:
    """Mean hue (n, 2) of a region around each of some pixels, and (n,) how much of it lies there, 0-1."""

    hue: FloatImage
    share: FloatImage


def hue_of(pixels: NDArray[np.uint8]) -> FloatImage:
    """(h, w, 2) CIE a* and b* of an RGB picture."""
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.ascontiguousarray(lab[..., 1:], np.float32)


def with_soft_border(
    labels: NDArray[np.int32], hue: FloatImage, chance: FloatImage
) -> tuple[NDArray[np.int32], FloatImage]:
    """Labels whose border against the rest lies where the colours say; slivers are left out.

    Args:
        labels: (h, w) tooth ids, 0 none.
        hue: (h, w, 2) ``hue_of`` the picture at this size.
        chance: (h, w) chance of a tooth.

    Returns:
        (h, w) ids, and (h, w) the share of tooth, 0-1, above a half where there is an id.
    """
    share, rest = (labels > 0).astype(np.float32), chance <= _MAYBE
    for _ in range(_ROUNDS):
        share = tooth_share(share > 0.5, hue, rest)
    mask = cv2.morphologyEx((share > 0.5).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    out = np.where(mask, _nearest(labels), 0).astype(np.int32)
    for number, box in boxes_of(out).items():
        own = out[box] == number
        part = largest_part(own)
        out[box][own & ~part if part.sum() >= (_SMALLEST * max(out.shape)) ** 2 else own] = 0
    out = without_holes(out)
    return out, agreeing(out, share)


def tooth_share(tooth: NDArray[np.bool_], hue: FloatImage, rest: NDArray[np.bool_]) -> FloatImage:
    """(h, w) share of tooth: by colour near the border where both sides differ, else 0 or 1.

    Args:
        tooth: (h, w) what is drawn as tooth.
        hue: (h, w, 2) ``hue_of`` the picture.
        rest: (h, w) what is certainly none, so that its colours are those beside teeth.
    """
    zone = _ZONE * max(tooth.shape)
    within, beyond = (_depth(region) for region in (tooth, ~tooth))
    near = np.nonzero((within <= zone) & (beyond <= zone))
    inner, outer = _mean(hue, within > zone, near), _mean(hue, (beyond > zone) & rest, near)
    way = inner.hue - outer.hue
    contrast = np.maximum(_dot(way, way), 1e-6)
    from_outer = cv2.GaussianBlur(hue, (0, 0), _GRAIN)[near] - outer.hue
    share = _dot(from_outer, way) / contrast
    off = _dot(from_outer, from_outer) / contrast - share**2
    heard = (contrast > _LEAST**2) & (off < _OFF**2) & (inner.share > _KNOWN) & (outer.share > _KNOWN)
    out = tooth.astype(np.float32)
    out[near] = np.where(heard, np.clip(share, 0, 1), out[near])
    return out


def _dot(one: FloatImage, other: FloatImage) -> FloatImage:
    """(n,) products of rows (n, 2), summed; numpy sums so few columns slowly."""
    return np.asarray(one[:, 0] * other[:, 0] + one[:, 1] * other[:, 1], np.float32)


def _depth(region: NDArray[np.bool_]) -> FloatImage:
    """(h, w) px to the nearest pixel outside a region, 0 outside."""
    return cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5).astype(np.float32)


def _nearest(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """(h, w) id of the nearest labelled pixel."""
    free = (labels == 0).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(int(nearest.max()) + 1, np.int32)
    table[nearest[labels > 0]] = labels[labels > 0]
    return table[nearest]


def _mean(hue: FloatImage, region: NDArray[np.bool_], pixels: tuple[NDArray[np.intp], ...]) -> _Mean:
    """Of a region (h, w) around some pixels (rows and columns)."""
    height, width = region.shape
    small = (max(width // _SMALLER, 1), max(height // _SMALLER, 1))
    weight = region.astype(np.float32)
    blurred = []
    for picture in (cv2.multiply(hue, cv2.merge([weight, weight])), weight):
        reduced = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        spread = cv2.GaussianBlur(reduced, (0, 0), _NEAR * max(small))
        blurred.append(cv2.resize(spread, (width, height), interpolation=cv2.INTER_LINEAR)[pixels])
    return _Mean(blurred[0] / np.maximum(blurred[1], 1e-6)[:, None], blurred[1])
