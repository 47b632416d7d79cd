"""``teethscape segment``: photos in, FDI label images out, each on its own photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from teethscape.dental.fdi import Jaws
from teethscape.dental.photos import Photo, read_photo_folder
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.numbering.mirror import MirroredError
from teethscape.parametric.numbering.number import Asked
from teethscape.pipeline.evidence import find_labels, run_network
from teethscape.pipeline.segment_output import (
    SegmentedPhoto,
    as_given,
    remove_former,
    require_output,
    tell_unnumbered,
    without_numbers,
    write_gum,
    write_masks,
    write_teethdreamer,
)
from teethscape.pipeline.segment_record import (
    RECORD,
    FlipVerdict,
    finding_record,
    mirroring_of,
    segmentation_record,
    tooth_records,
    write_record,
)
from teethscape.pipeline.segment_stage import Labels, at_photos
from teethscape.pipeline.view_order import arranged, needed, recognise, segmenter
from teethscape.progress import Progress, Stage
from teethscape.segmentation.clicks.pictures import Background

if TYPE_CHECKING:
    from teethscape.parametric.result import Numbered
    from teethscape.segmentation.recognition import PhotoRecognition
    from teethscape.segmentation.segmenter import Segmentation


@dataclass(frozen=True)
class SegmentRequest:
    """What is asked.

    Attributes:
        photos: folder of the photos.
        output: where ``{0..4}.png`` are written, numbered as the photos were given,
            so that ``--masks`` can take them back, with ``segmentation.json`` and,
            from a network that was taught them, ``gum/{0..4}.png``.
        jaws: which jaws count.
        pictures: also write TeethDreamer's masked pictures, with this background.
        trust_views: believe the photos' names, whatever the pictures show.
        absent_teeth: FDI numbers that the user says are missing.
    """

    photos: Path
    output: Path
    jaws: Jaws = Jaws.BOTH
    pictures: Background | None = None
    trust_views: bool = False
    absent_teeth: tuple[int, ...] = ()

    @property
    def asked(self) -> Asked:
        """What the numbering is asked."""
        return Asked(self.jaws, frozenset(self.absent_teeth), unmirrored=self.trust_views)


def segment_folder(request: SegmentRequest, progress: Progress) -> dict[str, Any]:
    """Find and number the teeth of one patient.

    Args:
        request: photos, output, wishes.
        progress: told of each stage.

    Returns:
        JSON values: the record, and what else was written.

    Raises:
        UsageError: the masks would replace photos.
        BadInputError: photos cannot be used.
        RefusedError: the teeth cannot be numbered with confidence; the record is written all the same, and
            the masks with values from ``FIRST_UNNAMED`` on.
    """
    output = request.output
    given = read_photo_folder(request.photos, request.jaws)
    require_output(output, given.values())
    remove_former(output)
    progress.stage(Stage.PHOTOS, 1.0)
    found = _found(request, given, progress)
    progress.stage(Stage.SEGMENT, 0.05, "running the network")
    segmented = run_network(found.photos)
    progress.stage(Stage.SEGMENT, 1.0)
    try:
        numbered = _numbered(found.photos, find_labels(segmented, None), request.asked, progress)
    except RefusedError as refused:
        _write_refused(output, found, segmented, refused)
        tell_unnumbered(output, progress)
        raise
    teeth = _teeth(found, segmented, numbered)
    tested = {view: FlipVerdict.of(mirrored) for view, mirrored in numbered.mirrored.items()}
    record = _written(output, teeth, segmented, found.entries(tested))
    return {
        "output": str(output),
        "record": RECORD,
        **record,
        "pictures": write_teethdreamer(output, request.photos.resolve().name, teeth, request.pictures),
    }


@dataclass(frozen=True)
class _Found:
    """Photos as given, what was recognised of each, and all in their views."""

    given: Mapping[View, Photo]
    findings: Mapping[View, PhotoRecognition]
    photos: Mapping[View, Photo]

    def slot(self, photo: Photo) -> View:
        """The number under which a photo was given."""
        return next(view for view, given in self.given.items() if given.source == photo.source)

    def entries(self, tested: Mapping[View, FlipVerdict]) -> dict[View, dict[str, Any]]:
        """What is known of each photo besides its teeth, by the number under which it was given.

        Args:
            tested: per view, what the fit of all photos says of its mirroring.
        """
        return {
            self.slot(photo): finding_record(
                photo,
                self.findings[self.slot(photo)],
                mirroring_of(photo, tested=tested.get(view, FlipVerdict.NOT)),
            )
            for view, photo in self.photos.items()
        }


def _found(request: SegmentRequest, given: Mapping[View, Photo], progress: Progress) -> _Found:
    """What is recognised of the photos; what was changed or is wrong is told."""
    seen = recognise(given, progress)
    placed = needed(given if request.trust_views else arranged(given, seen), request.jaws)
    found = _Found(given, dict(zip(given, seen.photos, strict=True)), placed)
    for photo in found.photos.values():
        for notice in photo.notices:
            progress.warn("photo", f"{photo.source.name}: {notice}")
    progress.stage(Stage.RECOGNISE, 1.0)
    return found


def _teeth(found: _Found, segmented: Mapping[View, Segmentation], numbered: Numbered) -> list[SegmentedPhoto]:
    """Every photo with its numbered teeth, drawn with the numbering's rough teeth."""
    maps = {view: one.maps for view, one in segmented.items()}
    masks = at_photos(maps, numbered.labels, found.photos)
    return [
        SegmentedPhoto(found.slot(photo), photo, masks[view].astype(np.uint8))
        for view, photo in found.photos.items()
    ]


def _write_refused(
    output: Path, found: _Found, segmented: Mapping[View, Segmentation], refused: RefusedError
) -> None:
    """Write what there is without numbers: the teeth as the network cut them, and why."""
    flipped = refused.views if isinstance(refused, MirroredError) else ()
    entries = found.entries(dict.fromkeys(flipped, FlipVerdict.FLIPPED))
    _written(output, _unnamed(found, segmented), segmented, entries, refused)


def _unnamed(found: _Found, segmented: Mapping[View, Segmentation]) -> list[SegmentedPhoto]:
    """Every photo with its teeth as the network cut them, without numbers."""
    return [
        SegmentedPhoto(found.slot(photo), photo, without_numbers(segmented[view].instances))
        for view, photo in found.photos.items()
    ]


def _written(
    output: Path,
    teeth: Sequence[SegmentedPhoto],
    segmented: Mapping[View, Segmentation],
    entries: dict[View, dict[str, Any]],
    refused: RefusedError | None = None,
) -> dict[str, Any]:
    """Write masks, gums and the record; returns the record."""
    masks = {
        one.slot: written["file"] for one, written in zip(teeth, write_masks(output, teeth), strict=True)
    }
    for one in teeth:
        seen = segmented[one.photo.view]
        entries[one.slot] |= {
            "mask": masks[one.slot],
            "gum": write_gum(output, one, seen.gum),
            "teeth": tooth_records(as_given(one.mask, one.photo), one.mask, seen),
        }
    record = segmentation_record(entries, segmenter().runtime, (), refused)
    write_record(output, record)
    return record


def numbers_of(
    photos: Mapping[View, Photo], labels: Labels, asked: Asked, progress: Progress
) -> Mapping[View, Mapping[int, int]]:
    """FDI number of each instance, whose outlines stay as they are.

    Raises:
        RefusedError: the teeth cannot be numbered with confidence.
    """
    return _numbered(photos, replace(labels, maps=None), asked, progress).numbering


def _numbered(photos: Mapping[View, Photo], labels: Labels, asked: Asked, progress: Progress) -> Numbered:
    """Labels with FDI numbers, drawn with the numbering's rough teeth where the network's maps are known."""
    from teethscape.parametric.engine import number_labels

    inputs = replace(
        labels.evidence(photos),
        jaws=asked.jaws,
        absent_teeth=tuple(asked.absent),
        unmirrored=asked.unmirrored,
    )
    numbered = number_labels(inputs, progress)
    progress.stage(Stage.NUMBER, 1.0)
    return numbered
