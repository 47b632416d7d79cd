"""A segmenter that misses teeth and draws neighbours as one, to see what a reconstruction bears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.segmentation.redraw import ToothMaps
from teethscape.segmentation.segmenter import Segmentation, Segmenter

#: Grown by this many px of the working size, two instances that touch share pixels.
_TOUCH = 3


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
    maps = ToothMaps(
        *(
            np.where(small, 0, m).astype(np.uint8)
            for m in (found.maps.tooth, found.maps.boundary, found.maps.energy)
        )
    )
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
