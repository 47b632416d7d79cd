"""Stage OVERLAYS: the photos with the fitted teeth drawn over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from teethscape.dental.case import CaseFolder
from teethscape.dental.files import write_with
from teethscape.dental.photos import Photo
from teethscape.dental.views import View
from teethscape.parametric.interface import FitResult
from teethscape.progress import Progress, Stage
from teethscape.report.overlays import draw_overlay


def write_overlays(
    case: CaseFolder, photos: Mapping[View, Photo], result: FitResult, progress: Progress
) -> list[Path]:
    """Write ``overlays/{0..4}.png`` for every photo with a camera."""
    written = []
    for done, (view, camera) in enumerate(result.cameras.items()):
        progress.check_cancelled()
        progress.stage(Stage.OVERLAYS, done / len(result.cameras), view.title)
        picture = Image.fromarray(draw_overlay(photos[view].pixels, view, camera, result.teeth))
        path = case.overlay(view)
        write_with(path, lambda s, picture=picture: picture.save(s, "PNG", compress_level=1))
        written.append(path)
    return written
