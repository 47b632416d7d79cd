"""What ``teethscape segment`` writes: masks on the photos as given, and TeethDreamer's pictures."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dental.files import require_folder, storage_errors, write_with
from teethscape.dental.masks import FIRST_UNNAMED, ids_of
from teethscape.dental.photos import Photo, full_pixels, turn
from teethscape.dental.views import View
from teethscape.errors import UsageError
from teethscape.pipeline.segment_record import RECORD
from teethscape.progress import Progress
from teethscape.segmentation.clicks.pictures import Background, whole_jaws, write_view

_Label = TypeVar("_Label", np.uint8, np.uint16)


_UNNUMBERED = (
    "The masks in {folder} show the teeth that were found, without numbers (values from {first} on): give "
    "some of them their FDI numbers and pass the folder with --masks and --mask-values named."
)

#: Ids that fit into a byte beside FDI numbers.
_MOST_UNNAMED = 256 - FIRST_UNNAMED


@dataclass(frozen=True, eq=False)
class SegmentedPhoto:
    """A photo and its teeth.

    Attributes:
        slot: the number under which it was given.
        photo: in its true view, upright.
        mask: (h, w) FDI numbers on the upright photo.
    """

    slot: View
    photo: Photo
    mask: NDArray[np.uint8]


def require_output(output: Path, photos: Iterable[Photo]) -> None:
    """Make the folder; refuse one in which masks would replace photos, or that cannot be made.

    Raises:
        UsageError: the photos lie in it.
        BadInputError: it is a file, or may not be made.
    """
    if any(photo.source.resolve().parent == output.resolve() for photo in photos):
        raise UsageError(
            "same_folder", f"The masks would be written among the photos in {output}.", "Give another folder."
        )
    require_folder(output)
    with storage_errors(output):  # before the work, not after it
        output.mkdir(parents=True, exist_ok=True)


def without_numbers(labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Instances (h, w), id 1 as ``FIRST_UNNAMED`` and so on; those that no byte has room for are left out."""
    fit = (labels > 0) & (labels <= _MOST_UNNAMED)
    return np.where(fit, labels - 1 + FIRST_UNNAMED, 0).astype(np.uint8)


def tell_unnumbered(output: Path, progress: Progress) -> None:
    """Say what masks without numbers are good for."""
    progress.warn("teeth_unnumbered", _UNNUMBERED.format(folder=output, first=FIRST_UNNAMED))


def remove_former(output: Path) -> None:
    """Remove what an earlier run wrote, so that nothing of it is taken for the next one's.

    Only a folder that holds a record is touched; TeethDreamer's pictures of another name stay.
    """
    if not (output / RECORD).is_file():
        return
    with storage_errors(output):
        for view in View:
            for folder in (output, output / "gum"):
                (folder / f"{view.value}.png").unlink(missing_ok=True)
        (output / RECORD).unlink()


def write_masks(output: Path, found: Sequence[SegmentedPhoto]) -> list[dict[str, Any]]:
    """Write ``{0..4}.png``; returns JSON values per file."""
    return [_write(output, one) for one in found]


def _write(output: Path, one: SegmentedPhoto) -> dict[str, Any]:
    """One mask at the size and in the pose of the photo as it was given."""
    image = Image.fromarray(as_given(one.mask, one.photo))
    path = output / f"{one.slot.value}.png"
    write_with(path, lambda stream: _save(image, stream))
    return {
        "file": path.name,
        "photo": one.photo.source.name,
        "view": one.photo.view.slug,
        "teeth": ids_of(one.mask),
        "notices": list(one.photo.notices),
    }


def _save(image: Image.Image, stream: BinaryIO) -> None:
    """A label image holds runs of one value: told so, it is smaller and written in a third of the time."""
    image.save(stream, "PNG", compress_type=zlib.Z_RLE)


def write_gum(output: Path, one: SegmentedPhoto, gum: NDArray[np.bool_]) -> str:
    """Write ``gum/{0..4}.png`` (255 on gums) beside the masks; returns its path below ``output``."""
    image = Image.fromarray(as_given(gum.astype(np.uint8) * 255, one.photo))
    path = output / "gum" / f"{one.slot.value}.png"
    write_with(path, lambda stream: _save(image, stream))
    return path.relative_to(output).as_posix()


def write_teethdreamer(
    output: Path, name: str, found: Sequence[SegmentedPhoto], background: Background | None
) -> list[str]:
    """Write the eight masked pictures, as large as the photos' files; returns paths below ``output``."""
    if background is None:
        return []
    jaws, written = whole_jaws([one.photo.view for one in found]), []
    for one in found:  # one at a time: they may be large
        shown = full_pixels(one.photo), one.mask.astype(np.int32)
        written += write_view(output / name, one.photo.view, shown, jaws, background)
    return sorted(path.relative_to(output).as_posix() for path in written)


def as_given(mask: NDArray[_Label], photo: Photo) -> NDArray[_Label]:
    """Undo the photo's turns and flips and its reduction to the working size."""
    if photo.mirrored:
        mask = mask[:, ::-1]
    upright = turn(mask, -photo.quarter_turns, False)
    given = cv2.resize(upright, photo.original_size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(given, mask.dtype)
