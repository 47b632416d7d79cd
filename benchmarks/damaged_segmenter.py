"""Teeth missed and neighbours drawn as one, in masks or by a network, to see what a reconstruction bears."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import jaw_of
from teethscape.dental.masks import at_size
from teethscape.dental.views import View
from teethscape.segmentation.network import mean_kinds
from teethscape.segmentation.redraw import ToothMaps
from teethscape.segmentation.segmenter import Segmentation, Segmenter

#: Grown by this many px of the working size, two instances that touch share pixels.
_TOUCH = 3


def damaged_masks(
    masks: Mapping[View, NDArray[np.int32]], share: float, rng: np.random.Generator
) -> dict[View, NDArray[np.int32]]:
    """FDI masks in which a share of the teeth of all photos is missed or, every other one, merged.

    A merged tooth gets the number of the neighbour of its jaw with which it shares most of its outline.
    """
    out = {view: labels.copy() for view, labels in masks.items()}
    teeth = [(view, int(fdi)) for view, labels in masks.items() for fdi in np.unique(labels[labels > 0])]
    for number, (view, fdi) in enumerate(chosen(teeth, share, rng)):
        labels = out[view]
        own_jaw = [int(n) for n in np.unique(labels[labels > 0]) if jaw_of(int(n)) is jaw_of(fdi)]
        other = 0 if number % 2 else neighbour(labels, fdi, own_jaw) or fdi
        labels[labels == fdi] = other
    return out


def chosen(teeth: list[tuple[View, int]], share: float, rng: np.random.Generator) -> list[tuple[View, int]]:
    """A share of the teeth, in random order."""
    return [teeth[k] for k in rng.permutation(len(teeth))[: round(share * len(teeth))]]


def neighbour(labels: NDArray[np.int32], identity: int, own_jaw: Iterable[int]) -> int:
    """The tooth of the same jaw that touches most of a tooth's outline, 0 where none does."""
    beside = [i for i in own_jaw if i != identity]
    near = grown(labels == identity) & np.isin(labels, beside)
    return int(np.bincount(labels[near], minlength=2).argmax())


class DamagedSegmenter(Segmenter):
    """The network's result with a share of all teeth lost or merged, in labels and maps alike.

    Args:
        whole: the segmenter to damage.
        share: of the instances of all photos; every second one is missed, the others are merged.
        seed: which ones.
    """

    def __init__(self, whole: Segmenter, share: float, seed: int) -> None:
        super().__init__(whole.runtime)
        self.share, self.rng = share, np.random.default_rng(seed)

    def segment_all(self, photos: Mapping[View, NDArray[np.uint8]]) -> dict[View, Segmentation]:
        """Teeth of all photos of one patient, some of them damaged."""
        found = super().segment_all(photos)
        teeth = [(view, i) for view, one in found.items() for i in sorted(one.jaw_of)]
        for number, (view, identity) in enumerate(chosen(teeth, self.share, self.rng)):
            damage = missed if number % 2 else merged
            found[view] = damage(found[view], identity)
        return found


def missed(found: Segmentation, identity: int) -> Segmentation:
    """The tooth is taken for gum."""
    small = at_size(found.instances, found.maps.size) == identity
    tooth, boundary, energy = (
        np.where(small, 0, m).astype(np.uint8)
        for m in (found.maps.tooth, found.maps.boundary, found.maps.energy)
    )
    maps = ToothMaps(tooth, boundary, energy)
    return replace(found, instances=np.where(found.instances == identity, 0, found.instances), maps=maps)


def merged(found: Segmentation, identity: int) -> Segmentation:
    """The tooth and the neighbour of its jaw with which it shares most of its outline are taken for one."""
    labels = at_size(found.instances, found.maps.size)
    jaw = found.jaw_of[identity]
    other = neighbour(labels, identity, [i for i, own in found.jaw_of.items() if own is jaw])
    if not other:
        return found
    contact = grown(labels == identity) & grown(labels == other)
    boundary = np.where(contact, 0, found.maps.boundary).astype(np.uint8)
    energy = np.where(contact, 200, found.maps.energy).astype(np.uint8)
    instances = np.where(found.instances == identity, other, found.instances)
    maps, kinds = replace(found.maps, boundary=boundary, energy=energy), mean_kinds(found.kind, instances)
    return replace(found, instances=instances, maps=maps, kind_of=kinds)


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask a few px larger."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * _TOUCH + 1,) * 2, np.uint8)) > 0
