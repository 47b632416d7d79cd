"""Look at photos before anything else: which view each is, and whether it is good enough."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from teethscape.dental.photos import Photo
from teethscape.dental.request import ReconstructRequest
from teethscape.dental.views import View
from teethscape.pipeline.photo_stage import read_photos
from teethscape.pipeline.segment_record import (
    finding_record,
    mirroring_of,
    segmentation_record,
    write_record,
)
from teethscape.pipeline.view_order import moved, recognise, segmenter
from teethscape.progress import Progress, Stage


def check_photos(
    request: ReconstructRequest, progress: Progress, output: Path | None = None
) -> dict[str, Any]:
    """Views, sides, mirroring and quality of a set of photos; nothing is refused.

    Args:
        request: photos or slots, and jaws.
        progress: told of each step.
        output: folder that gets ``segmentation.json``, without teeth.

    Returns:
        JSON values of the record; photos by the number or slot under which they were given.

    Raises:
        BadInputError: photos are missing or unreadable.
    """
    given = read_photos(request)
    progress.stage(Stage.PHOTOS, 1.0)
    record = checked(given, progress)
    if output is not None:
        write_record(output, record)
    progress.stage(Stage.RECOGNISE, 1.0)
    return record


def checked(given: Mapping[View, Photo], progress: Progress) -> dict[str, Any]:
    """The record of photos that are read already."""
    seen = recognise(given, progress)
    pair = seen.same_side or ()
    entries = {}
    for number, (slot, photo) in enumerate(given.items()):
        finding = seen.photos[number].alone or seen.photos[number]
        placed = moved(photo, slot if finding.view is None else finding.view)
        entries[slot] = finding_record(placed, finding, mirroring_of(placed, number in pair))
    photos = list(given.values())
    words = tuple(
        f"{photos[i].source.name}: {text}"
        for i, p in enumerate(seen.photos)
        if p.shows_teeth  # else its quality says so
        for text in p.problems
    )
    if seen.same_side:
        names = " and ".join(photos[i].source.name for i in pair)
        words = (f"{names} show the same side: one of them is mirrored, or one too many.", *words)
    return segmentation_record(entries, segmenter().runtime, words)
