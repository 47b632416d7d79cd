"""``teethscape segment --points``: clicks of a file become masks, alone or over the automatic ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, Jaws, jaw_of
from teethscape.dental.photos import Photo, read_photo_folder, turn
from teethscape.dental.request import MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import BadInputError, RefusedError
from teethscape.parametric.numbering.number import Asked
from teethscape.pipeline.evidence import find_labels, run_network
from teethscape.pipeline.mesh_stage import renumbered
from teethscape.pipeline.named_masks import most_covered, rest_of
from teethscape.pipeline.segment_folder import numbers_of
from teethscape.pipeline.segment_output import (
    SegmentedPhoto,
    remove_former,
    require_output,
    tell_unnumbered,
    without_numbers,
    write_masks,
    write_teethdreamer,
)
from teethscape.pipeline.segment_stage import Labels
from teethscape.pipeline.view_order import needed, order_photos, recognised_or_given
from teethscape.progress import Progress, Stage
from teethscape.segmentation.clicks.engines import make_engine
from teethscape.segmentation.clicks.interface import ClickEngine, ClickEngineName, Clicks, Mask
from teethscape.segmentation.clicks.pictures import Background
from teethscape.segmentation.clicks.points_file import MarkedTooth, PointsFile, read_points, require_inside

#: Nothing known of the place in the quadrant.
_ANY_KIND = (1 / 7,) * 7


@dataclass(frozen=True)
class ClickRequest:
    """What is asked.

    Attributes:
        photos: folder of the photos.
        output: where the masks go.
        points: file with the clicks.
        engine: who draws the masks.
        jaws: which jaws count.
        pictures: also write TeethDreamer's masked pictures, with this background.
        trust_views: believe the photos' names, whatever the pictures show.
        absent_teeth: FDI numbers that the user says are missing.
        weights: SAM: an installed model's name or a file; None: the smallest that is installed.
    """

    photos: Path
    output: Path
    points: Path
    engine: ClickEngineName = ClickEngineName.NET
    jaws: Jaws = Jaws.BOTH
    pictures: Background | None = None
    trust_views: bool = False
    absent_teeth: tuple[int, ...] = ()
    weights: Path | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """A mask that clicks drew, on the photo as it was given (working size)."""

    tooth: int | None
    mask: Mask


def click_folder(request: ClickRequest, progress: Progress) -> dict[str, Any]:
    """Draw masks by clicks and write FDI label images.

    Returns:
        JSON values as of ``segment_folder``.

    Raises:
        UsageError: the masks would replace photos.
        BadInputError: photos or clicks cannot be used.
        MissingComponentError: the engine is not installed.
        RefusedError: teeth without a number cannot be numbered with confidence; the masks are written all the
            same, with values from ``FIRST_UNNAMED`` on where the user gave no number.
    """
    given = read_photo_folder(request.photos, request.jaws)
    require_output(request.output, given.values())
    progress.stage(Stage.PHOTOS, 1.0)
    marks = read_points(request.points)
    strange = sorted(set(marks.photos) - {int(view) for view in given})
    if strange:
        raise BadInputError(
            "points_form",
            f"{request.points.name} names photo {strange[0]}, which is not there.",
            "Number 0 to 4.",
        )
    for number, teeth in marks.photos.items():
        require_inside(request.points, number, given[View(number)].original_size, teeth)
    engine = make_engine(request.engine, request.pictures is not None, request.weights)
    drawn = _draw(engine, given, marks, progress)
    placed = _placed(given, _ordered(request, given, marks, progress), drawn)
    found = _numbered(placed, request, marks, progress) if marks.wants_numbers else _plain(placed)
    remove_former(request.output)
    name = request.photos.resolve().name
    return {
        "output": str(request.output),
        "photos": write_masks(request.output, found),
        "pictures": write_teethdreamer(request.output, name, found, request.pictures),
    }


def _ordered(
    request: ClickRequest, given: Mapping[View, Photo], marks: PointsFile, progress: Progress
) -> dict[View, Photo]:
    """Photos in their views; where the user names every tooth, none is refused for what it shows."""
    if marks.wants_numbers or request.trust_views:
        wish = ReconstructRequest(
            request.photos, request.output, jaws=request.jaws, trust_views=request.trust_views
        )
        return order_photos(wish, given, progress)
    return needed(recognised_or_given(given, progress), request.jaws)


def _draw(
    engine: ClickEngine, photos: Mapping[View, Photo], marks: PointsFile, progress: Progress
) -> dict[View, list[Drawn]]:
    """All masks of all photos."""
    out: dict[View, list[Drawn]] = {}
    for done, (number, teeth) in enumerate(marks.photos.items()):
        progress.stage(Stage.SEGMENT, done / len(marks.photos), "drawing masks")
        photo = photos[View(number)]
        prepared = engine.prepare(photo.pixels)
        out[photo.view] = [
            Drawn(mark.tooth, prepared.click(on_working_copy(mark, photo)).mask) for mark in teeth
        ]
    return out


def on_working_copy(mark: MarkedTooth, photo: Photo) -> Clicks:
    """Clicks in pixels of the working copy; the file counts those of the original photo."""
    fx, fy = photo.size[0] / photo.original_size[0], photo.size[1] / photo.original_size[1]
    box = mark.clicks.box

    def moved(x: float, y: float) -> tuple[float, float]:
        return (x + 0.5) * fx - 0.5, (y + 0.5) * fy - 0.5

    corners = None if box is None else (*moved(box[0], box[1]), *moved(box[2], box[3]))
    return Clicks(tuple(moved(*p) for p in mark.clicks.points), mark.clicks.labels, corners)


@dataclass(frozen=True, eq=False)
class _Placed:
    """A photo in its true view, upright, with the masks that clicks drew on it, and its given slot."""

    slot: View
    photo: Photo
    drawn: tuple[Drawn, ...]


def _placed(
    given: Mapping[View, Photo], photos: Mapping[View, Photo], drawn: Mapping[View, Sequence[Drawn]]
) -> list[_Placed]:
    """Photos in their views with their masks turned along."""
    slots = {photo.source: view for view, photo in given.items()}
    return [
        _Placed(
            slot := slots[p.source],
            p,
            tuple(Drawn(d.tooth, turn(d.mask, p.quarter_turns, p.mirrored)) for d in drawn.get(slot, ())),
        )
        for p in photos.values()
    ]


def _plain(placed: Sequence[_Placed]) -> list[SegmentedPhoto]:
    """Every tooth has its number and nothing else counts."""
    found = []
    for one in placed:
        mask = np.zeros(one.photo.pixels.shape[:2], np.uint8)
        for tooth in one.drawn:
            mask[tooth.mask] = tooth.tooth or 0
        found.append(SegmentedPhoto(one.slot, one.photo, mask))
    return found


def _numbered(
    placed: Sequence[_Placed], request: ClickRequest, marks: PointsFile, progress: Progress
) -> list[SegmentedPhoto]:
    """Automatic teeth corrected by the clicks; all but named teeth are numbered together."""
    photos = {one.photo.view: one.photo for one in placed}
    progress.stage(Stage.SEGMENT, 0.05, "running the network")
    labels = find_labels(run_network(photos), None)
    labels = corrected(labels, {one.photo.view: one.drawn for one in placed}, marks.keeps_automatic)
    asked = Asked(request.jaws, frozenset(request.absent_teeth), unmirrored=request.trust_views)
    try:
        numbering = numbers_of(photos, labels, asked, progress)
    except RefusedError:
        masks = {view: without_numbers(image) for view, image in labels.images.items()}
        remove_former(request.output)
        write_masks(request.output, _with_masks(placed, masks))
        tell_unnumbered(request.output, progress)
        raise
    return _with_masks(
        placed, {view: renumbered(image, numbering.get(view, {})) for view, image in labels.images.items()}
    )


def _with_masks(placed: Sequence[_Placed], masks: Mapping[View, NDArray[np.uint8]]) -> list[SegmentedPhoto]:
    """Every photo with its mask, in which the user's numbers win."""
    return [
        SegmentedPhoto(one.slot, one.photo, with_named_teeth(masks[one.photo.view], one.drawn))
        for one in placed
    ]


def corrected(labels: Labels, drawn: Mapping[View, Sequence[Drawn]], keeps: bool) -> Labels:
    """Instances with those that were drawn in place of what lies under them.

    Args:
        labels: the automatic instances.
        drawn: masks on the upright photos.
        keeps: automatic instances that nobody clicked stay.
    """
    images: dict[View, NDArray[np.int32]] = {}
    jaws = {view: dict(own) for view, own in (labels.jaw_of or {}).items()}
    kinds = {view: dict(own) for view, own in (labels.kind_of or {}).items()}
    named: dict[View, dict[int, int]] = {}
    for view, image in labels.images.items():
        out = image.copy() if keeps else np.zeros_like(image)
        for number, one in enumerate(drawn.get(view, ()), int(image.max()) + 1):
            under = most_covered(image, one.mask)
            out[one.mask] = number
            if keeps and under:
                out[rest_of(out, under, one.mask, image)] = 0
            jaws.setdefault(view, {})[number] = _jaw(one.tooth, jaws.get(view, {}), under, view)
            kinds.setdefault(view, {})[number] = kinds.get(view, {}).get(under, _ANY_KIND)
            if one.tooth is not None:
                named.setdefault(view, {})[number] = one.tooth
        images[view] = out
    return replace(labels, images=images, kind=MaskValues.INSTANCES, jaw_of=jaws, kind_of=kinds, named=named)


def _jaw(tooth: int | None, known: Mapping[int, Jaw], under: int, view: View) -> Jaw:
    if tooth is not None:
        return jaw_of(tooth)
    return known.get(under, view.jaws[0])


def with_named_teeth(mask: NDArray[np.uint8], drawn: Sequence[Drawn]) -> NDArray[np.uint8]:
    """FDI labels in which every tooth that the user named has the user's number and mask."""
    out = mask.copy()
    for one in drawn:
        if one.tooth is not None:
            out[out == one.tooth] = 0
            out[one.mask] = one.tooth
    return out
