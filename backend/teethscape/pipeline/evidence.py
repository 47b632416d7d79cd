"""From photos to labels: put the photos in order, find the teeth."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw
from teethscape.dental.masks import read_masks
from teethscape.dental.photos import Photo, turn
from teethscape.dental.request import MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import BadInputError, MissingComponentError
from teethscape.pipeline.mask_views import true_order
from teethscape.pipeline.segment_stage import Labels
from teethscape.progress import Progress, Stage

if TYPE_CHECKING:
    from teethscape.segmentation.recognition import PhotoRecognition
    from teethscape.segmentation.segmenter import Segmenter


#: Every photo's view must be this sure before photos with user masks are exchanged.
_SURE = 0.9


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
    if request.trust_views:
        arranged = dict(photos)
    elif request.mask_values is MaskValues.FDI:
        arranged = {true: _moved(photos[slot], true) for slot, true in true_order(masks).items()}
    else:
        arranged = _recognised_with_masks(photos, progress)
    slots = {photo.source: slot for slot, photo in photos.items()}
    images = {}
    for view in sorted(arranged):
        slot = slots[arranged[view].source]
        turns = arranged[view].quarter_turns - photos[slot].quarter_turns
        images[view] = turn(masks[slot], turns, False)
    labels = Labels(images, request.mask_values, source="user", notices=notices)
    return {view: arranged[view] for view in sorted(arranged)}, labels


def _recognised_with_masks(photos: Mapping[View, Photo], progress: Progress) -> dict[View, Photo]:
    """Photos in the views that the network is sure of; as given when it is not."""
    from teethscape.segmentation.recognition import recognise_views

    progress.stage(Stage.RECOGNISE, 0.0)
    given = list(photos.values())
    try:
        found = recognise_views([photo.pixels for photo in given], segmenter()).photos
    except MissingComponentError:
        return dict(photos)  # masks are enough to work with; only the check is lost
    views = {finding.view for finding in found}
    if views != set(photos) or min(finding.confidence for finding in found) < _SURE:
        return dict(photos)
    return {f.view: _corrected(p, f.view, f) for p, f in zip(given, found, strict=True) if f.view is not None}


def order_photos(
    request: ReconstructRequest, photos: Mapping[View, Photo], progress: Progress
) -> dict[View, Photo]:
    """Bring each photo into the view that it shows, upright.

    Raises:
        BadInputError: a picture shows no teeth, or two show the same view.
    """
    if request.trust_views:
        return dict(photos)
    from teethscape.segmentation.recognition import recognise_views

    given = list(photos.values())
    found = recognise_views([photo.pixels for photo in given], segmenter()).photos
    progress.stage(Stage.RECOGNISE, 0.9)
    for photo, finding in zip(given, found, strict=True):
        _require_teeth(photo, finding)
    placed = {}
    for photo, finding in zip(given, found, strict=True):
        if finding.view is not None:
            placed[finding.view] = _corrected(photo, finding.view, finding)
    missing = [view for view in photos if view not in placed]
    if missing:
        names = ", ".join(view.title for view in missing)
        others = ", ".join(p.source.name for v, p in placed.items() if v not in photos)
        raise BadInputError(
            "view_missing",
            f"No photo shows the {names} view" + (f"; {others} shows another one." if others else "."),
            "Add the missing photo, or pass --trust-views if the file names are right.",
        )
    return {view: placed[view] for view in sorted(placed)}


def find_labels(photos: Mapping[View, Photo], jaws: Labels | None, progress: Progress) -> Labels:
    """Segment the photos.

    Args:
        photos: in their true views, upright.
        jaws: the user's jaw masks, which have the last word on teeth and jaws.
        progress: told when the network starts.
    """
    progress.stage(Stage.SEGMENT, 0.05, "running the network")
    found = segmenter().segment_all({view: photo.pixels for view, photo in photos.items()})
    images = {view: one.instances for view, one in found.items()}
    jaw_of = {view: dict(one.jaw_of) for view, one in found.items()}
    if jaws is not None:
        cut = {view: cut_by_jaws(images[view], mask) for view, mask in jaws.images.items()}
        images = {view: image for view, (image, _) in cut.items()}
        jaw_of = {view: names for view, (_, names) in cut.items()}
    kinds = {view: {i: tuple(map(float, k)) for i, k in one.kind_of.items()} for view, one in found.items()}
    return Labels(
        images=images,
        kind=MaskValues.INSTANCES,
        jaw_of=jaw_of,
        kind_of=None if jaws is not None else kinds,
        source="network" if jaws is None else "network within the user's jaw masks",
        notices=() if jaws is None else jaws.notices,
    )


@cache
def segmenter() -> Segmenter:
    """The network that ships with the engine, loaded once per process."""
    from teethscape.segmentation.segmenter import Segmenter

    return Segmenter.load()


def _require_teeth(photo: Photo, finding: PhotoRecognition) -> None:
    if not finding.shows_teeth:
        raise BadInputError(
            "not_teeth",
            f"{photo.source.name} ({photo.view.title}) does not look like an intra-oral photo of teeth.",
            "Choose the right photo; if it is right, retake it closer and in focus, or pass --trust-views.",
        )


def _corrected(photo: Photo, view: View, finding: PhotoRecognition) -> Photo:
    """The photo upright and in its true slot, with notices about what was changed."""
    placed = _moved(photo, view)
    if finding.rotation == 180:
        placed = placed.turned(2, False, "The photo stood on its head and was turned by 180 degrees.")
    return placed


def _moved(photo: Photo, view: View) -> Photo:
    """The photo in another slot, with a notice about it."""
    if photo.view is view:
        return photo
    return photo.placed(view, f"Given as {photo.view.title}, but it shows the {view.title} view.")


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
    ids = [int(i) for i in np.unique(cut) if i]
    return cut, {i: Jaw.LOWER if i > top else Jaw.UPPER for i in ids}
