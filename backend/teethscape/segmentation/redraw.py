"""Tooth instances drawn anew with a fitted model's teeth as prior: the analysis in analysis by synthesis.

The model says which teeth there are and about where, the photo where their borders are: each tooth of the
model is a seed, and the network's borders stop its growth.  Two teeth drawn as one are parted so, pieces are
joined, and teeth that the first cut lost come back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.segmentation.flood import flood
from teethscape.segmentation.instances import (
    InstanceRules,
    agreeing,
    clean_mask,
    largest_part,
    without_holes,
)
from teethscape.segmentation.network import FloatImage, PixelMaps, scaled
from teethscape.segmentation.region_graph import boxes_of, joined
from teethscape.segmentation.soft_border import hue_of, with_soft_border

ByteImage = NDArray[np.uint8]
IntImage = NDArray[np.int32]

#: A seed is where a model tooth is thicker than this share of its thickest place.  Of rough teeth, which lie
#: beside the photo's, only the very middle is: on eight rendered patients 0.6 to 0.9 draw better, all alike.
_CORE, _ROUGH_CORE = 0.4, 0.7
#: Share of a model tooth that must lie on tooth pixels, else cheek or glove hides it.
_SHOWN = 0.3
#: How far a tooth may reach beyond the model's, as a share of the longer side, and the share of a tooth that
#: is not cut off for lying beyond: a part so small is no other tooth, and the photo has no border there.
_REACH, _SPARED = 0.04, 0.15
#: Least area of a model tooth to look for, in units of the smallest instance.
_SLIVER = 0.5
#: Chance of a border from which a photo's border counts, and of a tooth beside it.
_BORDER, _BESIDE = 0.5, 0.3
#: Chance of a border that confirms one of the model's.
_HINTED = 0.3
#: Chance above which pixels of teeth that only seem to touch fall apart.
_CLEAR = 0.7
#: A border is explained by a model outline this near, as a share of the longer side.
_NEAR = 0.004
#: Width of the brush within which a border counts as the one that was drawn, px.
_DRAWN = 5
#: No pixel is believed more than this.
_SURE = 0.98


@dataclass(frozen=True)
class ToothMaps:
    """What the network saw in one photo, in 255ths, at the working size.

    Attributes:
        tooth: (h, w) chance of a tooth, colours heard.
        boundary: (h, w) chance of a tooth's border.
        energy: (h, w) distance to the tooth's border, 255 at its middle.
        others: (h, w) teeth that no model is to explain, and that may hide those of the model.
    """

    tooth: ByteImage
    boundary: ByteImage
    energy: ByteImage
    others: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, maps: PixelMaps, chance: FloatImage) -> ToothMaps:
        """From the network's maps and the refined chance of a tooth."""
        return cls(_bytes(chance), _bytes(maps.boundary), _bytes(maps.energy))

    @property
    def stacked(self) -> ByteImage:
        """(h, w, 3) as a picture."""
        return np.stack([self.tooth, self.boundary, self.energy], axis=2)

    @classmethod
    def unstacked(cls, picture: ByteImage) -> ToothMaps:
        """From (h, w, 3)."""
        tooth, boundary, energy = (np.ascontiguousarray(picture[..., k]) for k in range(3))
        return cls(tooth, boundary, energy)

    def without(self, hidden: NDArray[np.bool_]) -> ToothMaps:
        """The same without the teeth in a part of the photo, (h, w) of any size."""
        part = cv2.resize(hidden.astype(np.uint8), self.size, interpolation=cv2.INTER_NEAREST) > 0
        left = np.where(part[..., None], 0, self.stacked).astype(np.uint8)
        return replace(ToothMaps.unstacked(left), others=part)

    def scaled(self, factor: float) -> ToothMaps:
        """The same at another size."""
        size = (round(self.size[0] * factor), round(self.size[1] * factor))
        small = cv2.resize(self.stacked, size, interpolation=cv2.INTER_AREA)
        maps = ToothMaps.unstacked(np.asarray(small, np.uint8))
        if self.others is None:
            return maps
        others = cv2.resize(self.others.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        return replace(maps, others=others)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.tooth.shape[1], self.tooth.shape[0]

    @property
    def teeth(self) -> NDArray[np.bool_]:
        """(h, w) where the photo rather shows a tooth than not."""
        return _chance(self.tooth) > 0.5

    @property
    def clarity(self) -> FloatImage:
        """(h, w) chance that a border drawn at a pixel is a tooth's: that of a border within a few px.

        Measured on photos that the network had not seen, it is about the share of outline points that lie
        within 4 px (of 800) of the true outline.
        """
        return cv2.dilate(_chance(self.boundary), np.ones((_DRAWN, _DRAWN), np.uint8)).astype(np.float32)

    def redrawn(self, expected: IntImage, rough: bool = False) -> IntImage:
        """Teeth of the photo, numbered as the model's.

        Args:
            expected: (h, w) numbers of the model's teeth at this size, 0 none.
            rough: the model was not fitted to the photo's outlines yet.
        """
        mask = clean_mask(_chance(self.tooth), InstanceRules())
        seeds = self._seeds(mask, expected, _ROUGH_CORE if rough else _CORE)
        if not seeds.any():
            return np.zeros_like(expected)
        grown = flood(_chance(self.boundary), _chance(self.energy), mask, seeds)
        out = np.zeros_like(expected)
        model = boxes_of(expected)
        for number, own in boxes_of(grown).items():
            box = joined(own, model[number])
            part = _within_reach(grown[box] == number, expected[box] == number, _REACH * max(mask.shape))
            if part.sum() >= self._smallest:
                out[box][part] = number
        return without_holes(out)

    def at_photo(self, labels: IntImage, pixels: ByteImage) -> IntImage:
        """Labels of this size enlarged to their photo (h, w, 3), whose colours tell where they end."""
        hue = hue_of(scaled(pixels, max(self.size)))
        placed, share = with_soft_border(labels, hue, _chance(self.tooth))
        return at_photo_size(placed, share, pixels.shape[:2])

    def likelihood(self, expected: IntImage) -> float:
        """Mean log chance that the model's teeth and no others are teeth, per px of tooth (nats)."""
        chance = np.clip(_chance(self.tooth), 1 - _SURE, _SURE)
        hit = np.where(expected > 0, chance, 1 - chance)
        if self.others is not None:
            hit[self.others] = 1.0
        return float(np.log(hit).sum() / max((chance > 0.5).sum(), 1))

    def explained(self, expected: IntImage, one_jaw: bool) -> float:
        """Share of the photo's clear tooth borders near which the model has an outline, 0-1.

        Args:
            expected: (h, w) numbers of the model's teeth at this size, 0 none.
            one_jaw: the model holds one jaw; teeth of the other that the picture cuts off do not count.
        """
        chance = _chance(self.tooth)
        border = (_chance(self.boundary) > _BORDER) & (chance > _BESIDE)
        if self.others is not None:  # their borders are shared
            border &= _away_from(self.others) > 2 * _NEAR * max(border.shape)
        if one_jaw:
            border &= ~_others_cut_off(chance > _CLEAR, expected)
        if not border.any():
            return 1.0
        return float((_away_from(outline(expected))[border] <= _NEAR * max(border.shape)).mean())

    def confirmed(self, expected: IntImage) -> float:
        """Share of the model's borders between two teeth near which the photo has a border, 0-1.

        Args:
            expected: (h, w) numbers of the model's teeth at this size, 0 none.
        """
        between = outline(expected, between_teeth=True)
        if self.others is not None:  # what hides a border
            between &= ~self.others
        if not between.any():
            return 1.0
        away = _away_from(_chance(self.boundary) > _HINTED)
        return float((away[between] <= _NEAR * max(expected.shape)).mean())

    @property
    def _smallest(self) -> float:
        return (InstanceRules().smallest * max(self.tooth.shape)) ** 2

    def _seeds(self, mask: NDArray[np.bool_], expected: IntImage, core: float) -> IntImage:
        """(h, w) middles of the model's teeth that the photo shows."""
        seeds = np.zeros_like(expected)
        for number, box in boxes_of(expected).items():
            region = largest_part(expected[box] == number)
            if region.sum() < _SLIVER * self._smallest or mask[box][region].mean() < _SHOWN:
                continue
            inner = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
            seeds[box][(inner > core * inner.max()) & mask[box]] = number
        return seeds


def at_photo_size(labels: IntImage, chance: FloatImage, size: tuple[int, ...]) -> IntImage:
    """Labels at the photo's size (height, width), outlined by the enlarged probability."""
    height, width = size
    inside = cv2.resize(agreeing(labels, chance), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    ids = labels.astype(np.uint8 if labels.max() < 256 else np.uint16)  # bytes are moved fastest
    grown = np.where(ids == 0, cv2.dilate(ids, np.ones((3, 3), np.uint8)), ids)
    large = cv2.resize(grown, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.where(inside, large, 0).astype(np.int32)


def _bytes(chance: FloatImage) -> ByteImage:
    return np.rint(np.clip(chance, 0, 1) * 255).astype(np.uint8)


def _chance(values: ByteImage) -> FloatImage:
    return (values / np.float32(255)).astype(np.float32)


def outline(labels: IntImage, between_teeth: bool = False) -> NDArray[np.bool_]:
    """(h, w) pixels whose right or lower neighbour has another label; ``between_teeth``: neither is 0."""
    edge = np.zeros(labels.shape, bool)
    pairs = (edge[:, :-1], labels[:, :-1], labels[:, 1:]), (edge[:-1], labels[:-1], labels[1:])
    for target, here, there in pairs:
        target |= (here != there) & (not between_teeth or (here > 0) & (there > 0))
    return edge


def _others_cut_off(teeth: NDArray[np.bool_], expected: IntImage) -> NDArray[np.bool_]:
    """(h, w) pixels nearest to a group of teeth that the picture's edge cuts and the model lacks.

    In an occlusal photo these are teeth of the other jaw, or the mirror's surroundings.
    """
    core = cv2.erode(teeth.astype(np.uint8), np.ones((3, 3), np.uint8))
    if not core.any():
        return np.zeros_like(teeth)
    _, found = cv2.distanceTransformWithLabels(1 - core, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP)
    groups = np.asarray(found, np.intp)
    own = groups * core.astype(np.intp)
    others = np.isin(np.arange(int(groups.max()) + 1), np.r_[own[0], own[-1], own[:, 0], own[:, -1]])
    others[own[expected > 0]] = others[0] = False
    return others[groups]


def _within_reach(grown: NDArray[np.bool_], model: NDArray[np.bool_], reach: float) -> NDArray[np.bool_]:
    """Largest part (h, w) of a tooth within so many px of the model's; the whole where that is nearly all."""
    near = grown & (_away_from(model) < reach)
    return largest_part(near if near.sum() < (1 - _SPARED) * grown.sum() else grown)


def _away_from(mask: NDArray[np.bool_]) -> FloatImage:
    """(h, w) px to the nearest pixel of a mask."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5).astype(np.float32)
