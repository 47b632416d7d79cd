"""The five photos of a patient, upright and at working size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.decode import decode
from teethscape.dental.duplicates import find_duplicates
from teethscape.dental.fdi import Jaws
from teethscape.dental.photo_files import assign_files, missing_photos
from teethscape.dental.request import PhotoSlot
from teethscape.dental.views import View, views_needed
from teethscape.errors import BadInputError


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo of a patient.

    Attributes:
        view: which of the five standard views it is held to show.
        pixels: (h, w, 3) uint8 RGB; long side at most 1440 px; upright after
            the EXIF rotation and after ``quarter_turns`` and ``mirrored``.
        focal_35mm: 35-mm equivalent focal length by the diagonal, if known.
        source: the file it came from.
        notices: what the user should know about this photo.
        original_size: width and height of the file's picture after its EXIF
            rotation, before quarter turns.
        sha256: of the file's bytes.
        quarter_turns: counter-clockwise quarter turns applied after EXIF.
        mirrored: flipped left to right after turning.
    """

    view: View
    pixels: NDArray[np.uint8]
    focal_35mm: float | None
    source: Path
    notices: tuple[str, ...] = ()
    original_size: tuple[int, int] = (0, 0)
    sha256: str = ""
    quarter_turns: int = 0
    mirrored: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the working copy, pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def placed(self, view: View, notice: str) -> Photo:
        """The photo moved to another view's slot."""
        return replace(self, view=view).noted(notice)

    def noted(self, notice: str) -> Photo:
        """The photo with one more notice."""
        return replace(self, notices=(*self.notices, notice))

    def turned(self, quarter_turns: int, mirrored: bool, notice: str = "") -> Photo:
        """The photo turned counter-clockwise, then flipped left to right."""
        if quarter_turns % 4 == 0 and not mirrored:
            return self
        # A flip already made comes after every turn: turning it back means turning the other way.
        turns = -quarter_turns if self.mirrored else quarter_turns
        return replace(
            self,
            pixels=turn(self.pixels, quarter_turns, mirrored),
            quarter_turns=(self.quarter_turns + turns) % 4,
            mirrored=self.mirrored != mirrored,
            notices=(*self.notices, notice) if notice else self.notices,
        )


def full_pixels(photo: Photo) -> NDArray[np.uint8]:
    """(h, w, 3) RGB in a photo's pose at its file's own size.

    Raises:
        BadInputError: the file is gone or cannot be read any more.
    """
    if sorted(photo.size) == sorted(photo.original_size):
        return photo.pixels
    pixels = decode(photo.source, max(photo.original_size)).pixels
    return turn(pixels, photo.quarter_turns, photo.mirrored)


def turn(pixels: NDArray, quarter_turns: int, mirrored: bool) -> NDArray:
    """Turn an (h, w[, c]) image counter-clockwise, then flip it left to right."""
    turned = np.rot90(pixels, quarter_turns % 4)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def read_photo(path: Path, view: View = View.ANTERIOR) -> Photo:
    """Read one photo.

    Raises:
        BadInputError: the file cannot be used; the message names it and says why.
        MissingComponentError: a HEIC photo without its reader installed.
    """
    picture = decode(path)
    return Photo(
        view=view,
        pixels=picture.pixels,
        focal_35mm=picture.focal_35mm,
        source=path,
        notices=picture.notices,
        original_size=picture.original_size,
        sha256=picture.sha256,
    )


def read_photo_folder(folder: Path, jaws: Jaws) -> dict[View, Photo]:
    """Read the photos that a job needs from a folder.

    Files ``0.*`` to ``4.*`` are taken in that order; other names are taken
    sorted.  The order is a first guess: view recognition corrects it.

    Raises:
        BadInputError: photos missing, damaged, or given twice.
    """
    files = assign_files(folder, jaws)
    photos = {view: read_photo(path, view) for view, path in files.items()}
    refuse_duplicates(photos)
    return photos


def read_photo_slots(slots: Iterable[PhotoSlot], jaws: Jaws) -> dict[View, Photo]:
    """Read photos that the user has put into slots, with the user's turns and flips."""
    by_view = {slot.view: slot for slot in slots}
    missing = [view for view in views_needed(jaws) if view not in by_view]
    if missing:
        raise missing_photos(missing, "")
    photos = {}
    for view in views_needed(jaws):
        slot = by_view[view]
        photos[view] = read_photo(slot.path, view).turned(slot.quarter_turns, slot.mirrored)
    refuse_duplicates(photos)
    return photos


def refuse_duplicates(photos: Mapping[View, Photo]) -> None:
    """Raise when two photos are one photograph, even re-encoded or flipped."""
    views = list(photos)
    pair = find_duplicates([photos[view].pixels for view in views])
    if pair is None:
        return
    first, second = (photos[views[index]] for index in pair)
    raise BadInputError(
        "photo_twice",
        f"{first.source.name} and {second.source.name} are the same photo "
        f"({first.view.title} and {second.view.title}).",
        "Choose a different photo for one of the two views.",
    )
