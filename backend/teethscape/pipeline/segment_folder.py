"""``teethscape segment``: photos in, FDI label images out, each on its own photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dental.fdi import Jaws
from teethscape.dental.files import write_with
from teethscape.dental.photos import Photo, read_photo_folder, turn
from teethscape.dental.request import ReconstructRequest
from teethscape.dental.views import View
from teethscape.parametric.interface import FitInputs, PhotoGeometry
from teethscape.pipeline.evidence import find_labels
from teethscape.pipeline.mesh_stage import renumbered
from teethscape.pipeline.view_order import order_photos
from teethscape.progress import Progress, Stage


def segment_folder(folder: Path, output: Path, jaws: Jaws, progress: Progress) -> dict[str, Any]:
    """Find and number the teeth of one patient.

    Args:
        folder: the photos.
        output: where ``{0..4}.png`` are written, numbered as the photos were given,
            so that ``--masks`` can take them back.
        jaws: which jaws count.
        progress: told of each stage.

    Returns:
        JSON values: per file its view, source, and teeth.
    """
    from teethscape.parametric.engine import number_labels

    given = read_photo_folder(folder, jaws)
    progress.stage(Stage.PHOTOS, 1.0)
    slots = {photo.source: view for view, photo in given.items()}
    photos = order_photos(ReconstructRequest(folder, output, jaws=jaws), given, progress)
    progress.stage(Stage.RECOGNISE, 1.0)
    labels = find_labels(photos, None, progress)
    progress.stage(Stage.SEGMENT, 1.0)
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
    return {
        "output": str(output),
        "photos": [
            _write(output, slots[photo.source], photo, renumbered(labels.images[view], numbering[view]))
            for view, photo in photos.items()
        ],
    }


def _write(output: Path, slot: View, photo: Photo, mask: NDArray[np.uint8]) -> dict[str, Any]:
    """One mask at the size and in the pose of the photo as it was given."""
    image = Image.fromarray(as_given(mask, photo))
    path = output / f"{slot.value}.png"
    write_with(path, lambda stream: image.save(stream, "PNG"))
    return {
        "file": path.name,
        "photo": photo.source.name,
        "view": photo.view.slug,
        "teeth": [int(value) for value in np.unique(mask) if value],
        "notices": list(photo.notices),
    }


def as_given(mask: NDArray[np.uint8], photo: Photo) -> NDArray[np.uint8]:
    """Undo the photo's turns and flips and its reduction to the working size."""
    if photo.mirrored:
        mask = mask[:, ::-1]
    upright = turn(mask, -photo.quarter_turns, False)
    return np.asarray(cv2.resize(upright, photo.original_size, interpolation=cv2.INTER_NEAREST), np.uint8)
