"""From photos to labels: the user's masks or the network's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw
from teethscape.dental.masks import ids_of, read_masks
from teethscape.dental.photos import Photo, turn
from teethscape.dental.request import MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.parametric.numbering.measure import along_arch, measure
from teethscape.pipeline.mask_views import true_order
from teethscape.pipeline.named_masks import is_whole, with_named
from teethscape.pipeline.segment_stage import Labels
from teethscape.pipeline.view_order import moved, recognised_or_given, segmenter
from teethscape.progress import Progress
from teethscape.segmentation.double_teeth import parted_by_length
from teethscape.segmentation.mask_sight import mask_sight
from teethscape.segmentation.redraw import ToothMaps
from teethscape.segmentation.waist import Parted, parted

if TYPE_CHECKING:
    from teethscape.segmentation.segmenter import Segmentation


def labels_from_masks(
    request: ReconstructRequest, photos: Mapping[View, Photo], progress: Progress
) -> tuple[dict[View, Photo], Labels]:
    """Read the user's masks and bring photos and masks into their true views.

    FDI numbers tell the view by themselves; other masks go with their photos, whose
    views the network recognises.

    Returns:
        The photos in their true views and their labels.
    """
    if request.masks is None:
        raise ValueError("the request names no masks")
    masks, notices = read_masks(request.masks, photos, request.mask_values)
    kind = request.mask_values
    if kind is MaskValues.NAMED and is_whole(masks, photos):
        kind = MaskValues.FDI
    if request.trust_views:
        arranged = dict(photos)
    elif kind is MaskValues.FDI:
        arranged = {true: moved(photos[slot], true) for slot, true in true_order(masks).items()}
    else:
        arranged = recognised_or_given(photos, progress)
    slots = {photo.source: slot for slot, photo in photos.items()}
    images = {}
    for view in sorted(arranged):
        slot = slots[arranged[view].source]
        turns = arranged[view].quarter_turns - photos[slot].quarter_turns
        if slot in masks:
            images[view] = turn(masks[slot], turns, False)
    labels = Labels(images, kind, source="user", notices=notices)
    return {view: arranged[view] for view in sorted(arranged)}, parted_teeth(labels)


def find_labels(segmented: Mapping[View, Segmentation], given: Labels | None) -> Labels:
    """Labels of what the network found, with the places in the quadrant that it reads inside them.

    Args:
        segmented: per view.
        given: the user's jaw masks, which have the last word on teeth and jaws; masks of some photos with
            some numbers, which have it on these; or masks of all teeth without numbers. None: there are none.
    """
    labels = _teeth(segmented, given)
    kinds = {
        view: {i: tuple(map(float, chances)) for i, chances in segmented[view].kinds_of(image).items()}
        for view, image in labels.images.items()
    }
    return replace(labels, kind_of=kinds)


def _teeth(segmented: Mapping[View, Segmentation], given: Labels | None) -> Labels:
    """The user's teeth where there are any, the network's elsewhere."""
    if given is None or given.kind is MaskValues.JAWS:
        return _instances(segmented, given)
    if given.kind is MaskValues.INSTANCES:
        return given
    rest = {view: one for view, one in segmented.items() if view not in given.images}
    return with_named(_instances(rest, None), segmented, given)


def run_network(photos: Mapping[View, Photo]) -> dict[View, Segmentation]:
    """What the network finds in photos that are in their true views, upright."""
    return segmenter().segment_all({view: photo.pixels for view, photo in photos.items()})


def shown_besides(found: Mapping[View, Segmentation], labels: Labels) -> dict[View, ToothMaps]:
    """What the photos show besides the user's masks, by what the network found."""
    return {view: mask_sight(image, found[view]) for view, image in labels.images.items()}


def _instances(found: Mapping[View, Segmentation], jaws: Labels | None) -> Labels:
    """The network's instances as labels, within the user's jaw masks if there are any."""
    images = {view: one.instances for view, one in found.items()}
    jaw_of = {view: dict(one.jaw_of) for view, one in found.items()}
    if jaws is not None:
        cut = {view: cut_by_jaws(images[view], mask) for view, mask in jaws.images.items()}
        images = {view: image for view, (image, _) in cut.items()}
        jaw_of = {view: names for view, (_, names) in cut.items()}
    labels = Labels(
        images=images,
        kind=MaskValues.INSTANCES,
        jaw_of=jaw_of,
        maps=None if jaws is not None else {view: one.maps for view, one in found.items()},
        source="network" if jaws is None else "network within the user's jaw masks",
        notices=() if jaws is None else jaws.notices,
    )
    return parted_teeth(labels)


def parted_teeth(labels: Labels) -> Labels:
    """Labels whose instances that cover two teeth of an occlusal photo are parted, with notices."""
    if labels.kind is not MaskValues.INSTANCES:
        return labels
    images, notices = dict(labels.images), list(labels.notices)
    jaw_of = {view: dict(names) for view, names in (labels.jaw_of or {}).items()}
    for view in (view for view in images if view.is_occlusal):
        found = part_doubles(images[view], view, None if labels.maps is None else labels.maps[view])
        if not found.origin:
            continue
        images[view] = found.labels
        notices.append(f"Two teeth drawn as one in the {view.title} photo were parted.")
        for new, old in found.origin.items():
            if old in jaw_of.get(view, {}):
                jaw_of[view][new] = jaw_of[view][old]
    return replace(labels, images=images, jaw_of=jaw_of or None, notices=tuple(notices))


def part_doubles(labels: NDArray[np.int32], view: View, maps: ToothMaps | None = None) -> Parted:
    """Instances that cover two teeth of an occlusal photo parted: at a waist, or because they are too long.

    Args:
        labels: (h, w) instance ids, 0 none.
        view: an occlusal one.
        maps: what the network saw, if it drew them.
    """
    waisted = parted(labels)
    found = measure(waisted.labels)
    order = found.ids[along_arch(found.centre, view is View.MAXILLARY_OCCLUSAL)] if len(found) else found.ids
    border = None
    if maps is not None:
        border = cv2.resize(maps.boundary, labels.shape[::-1], interpolation=cv2.INTER_LINEAR) / 255
    long = parted_by_length(waisted.labels, view.jaws[0], order, border)
    origin = {new: waisted.origin.get(old, old) for new, old in long.origin.items()}
    return Parted(long.labels, waisted.origin | origin)


def cut_by_jaws(
    instances: NDArray[np.int32], jaws: NDArray[np.int32]
) -> tuple[NDArray[np.int32], dict[int, Jaw]]:
    """Instances limited to a jaw mask, split where they reach over both jaws.

    Args:
        instances: (h, w) tooth ids, 0 none.
        jaws: (h, w) 1 upper, 2 lower, 0 none.

    Returns:
        (h, w) new ids, and the jaw of each.
    """
    top = int(instances.max())
    cut = np.where((jaws > 0) & (instances > 0), instances + (jaws == 2) * top, 0).astype(np.int32)
    return cut, {i: Jaw.LOWER if i > top else Jaw.UPPER for i in ids_of(cut)}
