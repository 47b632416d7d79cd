"""``teethscape segment``: photos in, FDI label images out, each on its own photo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from teethscape.dental.fdi import Jaws
from teethscape.dental.photos import Photo, read_photo_folder
from teethscape.dental.request import ReconstructRequest
from teethscape.dental.views import View
from teethscape.parametric.interface import FitInputs, PhotoGeometry
from teethscape.pipeline.evidence import find_labels
from teethscape.pipeline.mesh_stage import renumbered
from teethscape.pipeline.segment_output import SegmentedPhoto, write_masks, write_teethdreamer
from teethscape.pipeline.segment_stage import Labels
from teethscape.pipeline.view_order import order_photos
from teethscape.progress import Progress, Stage
from teethscape.segmentation.clicks.pictures import Background


def segment_folder(
    folder: Path, output: Path, jaws: Jaws, progress: Progress, pictures: Background | None = None
) -> dict[str, Any]:
    """Find and number the teeth of one patient.

    Args:
        folder: the photos.
        output: where ``{0..4}.png`` are written, numbered as the photos were given,
            so that ``--masks`` can take them back.
        jaws: which jaws count.
        progress: told of each stage.
        pictures: also write TeethDreamer's masked pictures, with this background.

    Returns:
        JSON values: per file its view, source, and teeth.
    """
    given = read_photo_folder(folder, jaws)
    progress.stage(Stage.PHOTOS, 1.0)
    slots = {photo.source: view for view, photo in given.items()}
    photos = order_photos(ReconstructRequest(folder, output, jaws=jaws), given, progress)
    progress.stage(Stage.RECOGNISE, 1.0)
    labels = find_labels(photos, None, progress)
    progress.stage(Stage.SEGMENT, 1.0)
    numbering = numbers_of(photos, labels, jaws, progress)
    found = [
        SegmentedPhoto(slots[photo.source], photo, renumbered(labels.images[view], numbering[view]))
        for view, photo in photos.items()
    ]
    return {
        "output": str(output),
        "photos": write_masks(output, found),
        "pictures": write_teethdreamer(output, folder.resolve().name, found, pictures),
    }


def numbers_of(
    photos: Mapping[View, Photo], labels: Labels, jaws: Jaws, progress: Progress
) -> Mapping[View, Mapping[int, int]]:
    """FDI number of each instance.

    Raises:
        RefusedError: the teeth cannot be numbered with confidence.
    """
    from teethscape.parametric.engine import number_labels

    inputs = FitInputs(
        photos={view: PhotoGeometry(*photo.size, photo.focal_35mm) for view, photo in photos.items()},
        labels=labels.images,
        label_kind=labels.kind,
        jaw_hint=labels.jaw_of,
        kind_hint=labels.kind_of,
        jaws=jaws,
    )
    numbering = number_labels(inputs, progress)
    progress.stage(Stage.NUMBER, 1.0)
    return numbering
