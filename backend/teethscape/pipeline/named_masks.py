"""Photos whose teeth the user has named in part: the network tells the rest, names stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.masks import FIRST_UNNAMED, at_size, ids_of
from teethscape.dental.photos import Photo
from teethscape.dental.views import View
from teethscape.pipeline.segment_stage import Labels
from teethscape.segmentation.mask_sight import mask_sight

if TYPE_CHECKING:
    from teethscape.segmentation.segmenter import Segmentation

_SOURCE = "network and the user's masks"


def is_whole(labels: Mapping[View, NDArray[np.int32]], photos: Mapping[View, Photo]) -> bool:
    """Whether every photo has a mask in which every tooth has a number."""
    numbered = all(int(image.max()) < FIRST_UNNAMED for image in labels.values())
    return set(labels) == set(photos) and numbered


def with_named(found: Labels, segmented: Mapping[View, Segmentation], given: Labels) -> Labels:
    """The network's instances with the user's masks in their place where there are any.

    Args:
        found: the network's instances of the photos without masks.
        segmented: what the network found in all photos.
        given: the masks: FDI numbers, and ids from ``FIRST_UNNAMED`` on.
    """
    images, maps = dict(found.images), dict(found.maps or {})
    jaws = {view: dict(own) for view, own in (found.jaw_of or {}).items()}
    named: dict[View, dict[int, int]] = {}
    for view, image in given.images.items():
        seen = segmented[view]
        images[view], maps[view] = image, mask_sight(image, seen)
        jaws[view] = _known_of(image, seen)
        named[view] = {i: i for i in ids_of(image) if i < FIRST_UNNAMED}
    return replace(
        found,
        images={view: images[view] for view in segmented},
        jaw_of=jaws,
        maps=maps,
        named=named,
        source=_SOURCE,
        notices=(*found.notices, *given.notices),
    )


def _known_of(image: NDArray[np.int32], seen: Segmentation) -> dict[int, Jaw]:
    """The jaw of each tooth: that of its number, else of the network's instance under it, if there is one."""
    below = at_size(seen.instances, image.shape[::-1])
    jaws = {}
    for identity in ids_of(image):
        under = most_covered(below, image == identity)
        if identity < FIRST_UNNAMED:
            jaws[identity] = jaw_of(identity)
        elif under in seen.jaw_of:
            jaws[identity] = seen.jaw_of[under]
    return jaws


def with_names(mask: NDArray[np.uint8], labels: Labels, view: View) -> NDArray[np.uint8]:
    """An FDI mask (h, w) of a view in which the teeth that the user named have the user's masks."""
    out, image = mask.copy(), labels.images[view]
    for identity, fdi in (labels.named or {}).get(view, {}).items():
        out[out == fdi] = 0
        out[image == identity] = fdi
    return out


def rest_of(
    out: NDArray[np.int32], under: int, mask: NDArray[np.bool_], image: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """What is left of the instance under a mask, when the mask takes most of it: a scrap, no tooth.

    Args:
        out: (h, w) the instances with the mask drawn over them.
        under: the instance.
        mask: (h, w).
        image: (h, w) the instances before.
    """
    whole = image == under
    taken = (whole & mask).sum() >= 0.5 * whole.sum()
    return (out == under) if taken else np.zeros(out.shape, bool)


def most_covered(image: NDArray[np.int32], mask: NDArray[np.bool_]) -> int:
    """The instance under most of a mask; 0 when none covers a quarter of it."""
    counts = np.bincount(image[mask], minlength=1)
    counts[0] = 0
    best = int(counts.argmax())
    return best if 4 * counts[best] >= max(int(mask.sum()), 1) else 0
