"""Label images that clicks correct: read, changed, and kept for a refit.

They lie in ``masks/corrected/{0..4}.png`` of the case, in the pose of the photos' own files, as a
reconstruction takes ``named`` masks: FDI numbers, and ids from ``FIRST_UNNAMED`` on of teeth whose
numbers nobody knows yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import LOWER_ARCH, TEETH, UPPER_ARCH, is_permanent
from teethscape.dental.files import write_with
from teethscape.dental.masks import FIRST_UNNAMED, at_size, ids_of, read_label_image
from teethscape.dental.photos import Photo, turn
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.errors import UsageError
from teethscape.pipeline.named_masks import most_covered, rest_of
from teethscape.pipeline.segment_output import as_given
from teethscape.pipeline.segment_stage import labels_kind
from teethscape.segmentation.clicks.interface import Clicks, Mask

_OUTLINE_PX = 0.7


def corrected_folder(case: CaseFolder) -> Path:
    """Where corrected label images lie."""
    return case.root / "masks" / "corrected"


def current_labels(case: CaseFolder, view: View, photo: Photo) -> NDArray[np.int32]:
    """Labels on the upright copy (h, w): corrected ones, else FDI numbers, else teeth without numbers."""
    corrected = corrected_folder(case) / f"{view.value}.png"
    if corrected.is_file():
        return _upright(read_label_image(corrected), photo)
    if case.mask(view).is_file():
        return read_label_image(case.mask(view))
    found = _found_labels(case, view)
    return np.zeros(photo.pixels.shape[:2], np.int32) if found is None else found


def _found_labels(case: CaseFolder, view: View) -> NDArray[np.int32] | None:
    """What a case that was not finished is made of (h, w): without numbers unless the user gave them."""
    if not case.instances(view).is_file():
        return None
    labels, kind = read_label_image(case.instances(view)), labels_kind(case)
    if kind is MaskValues.FDI:
        return labels
    ids = np.unique(labels[labels > 0])
    return np.where(labels > 0, FIRST_UNNAMED + np.searchsorted(ids, labels), 0).astype(np.int32)


def unnamed_tooth(labels: NDArray[np.int32], clicks: Clicks) -> int:
    """The tooth without a number that one click, and nothing else, has chosen; 0 for none."""
    if clicks.box is not None or clicks.labels != (True,):
        return 0
    x, y = (round(value) for value in clicks.points[0])
    inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
    return int(labels[y, x]) if inside and labels[y, x] >= FIRST_UNNAMED else 0


def _upright(labels: NDArray[np.int32], photo: Photo) -> NDArray[np.int32]:
    labels = turn(labels, photo.quarter_turns, photo.mirrored)
    if labels.shape == photo.pixels.shape[:2]:
        return labels
    return at_size(labels, photo.size)


def proposed_tooth(labels: NDArray[np.int32], mask: Mask) -> int:
    """FDI number of the labelled tooth under most of a mask, else of the gap that it fills; 0 unknown."""
    counts = np.bincount(labels[mask], minlength=1)
    counts[0] = 0
    if counts.max() >= 0.2 * max(int(mask.sum()), 1) and counts.argmax() < FIRST_UNNAMED:
        return int(counts.argmax())
    return _gap_tooth(labels, mask)


def _gap_tooth(labels: NDArray[np.int32], mask: Mask) -> int:
    """The one tooth that is missing between the two nearest labelled neighbours."""
    if not mask.any():
        return 0
    far = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    near = {n: float(far[labels == n].min()) for n in ids_of(labels) if n in TEETH}
    closest = sorted(near, key=lambda number: near[number])[:2]
    for arch in (UPPER_ARCH, LOWER_ARCH):
        if len(closest) == 2 and all(number in arch for number in closest):
            one, two = sorted(arch.index(number) for number in closest)
            if two - one == 2 and arch[one + 1] not in near:
                return arch[one + 1]
    return 0


def with_tooth(labels: NDArray[np.int32], mask: Mask, tooth: int) -> NDArray[np.int32]:
    """Labels in which a tooth has a new mask; scraps of a tooth without a number under it are gone.

    Raises:
        UsageError: the number is no permanent tooth.
    """
    if not is_permanent(tooth):
        raise UsageError("tooth_unknown", "This mask has no tooth number yet.", "Type its two FDI digits.")
    out = labels.copy()
    out[out == tooth] = 0
    out[mask] = tooth
    under = most_covered(labels, mask)
    if under >= FIRST_UNNAMED:
        out[rest_of(out, under, mask, labels)] = 0
    return out


def outlines(mask: Mask) -> list[list[list[int]]]:
    """Outlines of a mask as closed polygons of (x, y) pixels, the largest first."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(found, key=cv2.contourArea, reverse=True)[:8]
    polygons = [cv2.approxPolyDP(contour, _OUTLINE_PX, True)[:, 0].tolist() for contour in largest]
    return [polygon for polygon in polygons if len(polygon) > 2]


def keep_labels(
    case: CaseFolder, photos: Mapping[View, Photo], view: View, labels: NDArray[np.int32]
) -> None:
    """Write the corrected labels of a view, and those of the other photos where none are there yet.

    Photos in which nothing has a number are left out: a reconstruction finds their teeth again.

    Args:
        case: the case folder.
        photos: all of its photos.
        view: the corrected one.
        labels: (h, w) labels on its upright copy.
    """
    folder = corrected_folder(case)
    for other, photo in photos.items():
        path = folder / f"{other.value}.png"
        if other is not view and path.is_file():
            continue
        own = labels if other is view else current_labels(case, other, photo)
        if other is not view and not ((own > 0) & (own < FIRST_UNNAMED)).any():
            continue
        given = as_given(own.astype(np.uint16), photo)
        image = Image.fromarray(given.astype(np.uint8) if given.max() < 256 else given)
        write_with(path, lambda stream, image=image: image.save(stream, "PNG", compress_level=1))
