"""Teeth missed and neighbours drawn as one, in masks or by a network, to see what a reconstruction bears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import jaw_of
from teethscape.dental.views import View
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
    chosen = rng.permutation(len(teeth))[: round(share * len(teeth))]
    for number, (view, fdi) in enumerate(teeth[k] for k in chosen):
        labels = out[view]
        other = 0 if number % 2 else neighbour(labels, fdi)
        labels[labels == fdi] = other if number % 2 or other else fdi
    return out


def neighbour(labels: NDArray[np.int32], fdi: int) -> int:
    """FDI number of the tooth of the same jaw that touches most of a tooth's outline, 0 where none does."""
    beside = [int(n) for n in np.unique(labels[labels > 0]) if n != fdi and jaw_of(int(n)) is jaw_of(fdi)]
    near = grown(labels == fdi) & np.isin(labels, beside)
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
        chosen = self.rng.permutation(len(teeth))[: round(self.share * len(teeth))]
        for number, (view, identity) in enumerate(teeth[k] for k in chosen):
            damage = missed if number % 2 else merged
            found[view] = damage(found[view], identity)
        return found


def missed(found: Segmentation, identity: int) -> Segmentation:
    """The tooth is taken for gum."""
    small = at_maps(found) == identity
    tooth, boundary, energy = (
        np.where(small, 0, m).astype(np.uint8)
        for m in (found.maps.tooth, found.maps.boundary, found.maps.energy)
    )
    maps = ToothMaps(tooth, boundary, energy)
    return replace(found, instances=np.where(found.instances == identity, 0, found.instances), maps=maps)


def merged(found: Segmentation, identity: int) -> Segmentation:
    """The tooth and the neighbour of its jaw with which it shares most of its outline are taken for one."""
    labels = at_maps(found)
    near = grown(labels == identity)
    beside = [i for i, jaw in found.jaw_of.items() if jaw is found.jaw_of[identity] and i != identity]
    shared = np.bincount(labels[near & np.isin(labels, beside)], minlength=2)
    other = int(shared.argmax())
    if not shared.any():
        return found
    contact = near & grown(labels == other)
    boundary = np.where(contact, 0, found.maps.boundary).astype(np.uint8)
    energy = np.where(contact, 200, found.maps.energy).astype(np.uint8)
    instances = np.where(found.instances == identity, other, found.instances)
    return replace(found, instances=instances, maps=replace(found.maps, boundary=boundary, energy=energy))


def at_maps(found: Segmentation) -> NDArray[np.int32]:
    """Instances at the size of the maps."""
    small = cv2.resize(found.instances.astype(np.float32), found.maps.size, interpolation=cv2.INTER_NEAREST)
    return small.astype(np.int32)


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask a few px larger."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * _TOUCH + 1,) * 2, np.uint8)) > 0
