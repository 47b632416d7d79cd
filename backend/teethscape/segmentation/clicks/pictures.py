"""The eight masked pictures that TeethDreamer takes (specification, section 1.2).

Per jaw four pictures of the photo's longer side squared: the photo centred, everything but the
jaw's teeth gone. TeethDreamer's 001 shows the patient's right side, so ours change places.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.files import write_with
from teethscape.dental.masks import ids_of
from teethscape.dental.views import View

#: Which photo is 000, 001, 002 and 003 of each jaw.
ORDER: Mapping[Jaw, tuple[View, ...]] = {
    Jaw.UPPER: (View.ANTERIOR, View.RIGHT_BUCCAL, View.LEFT_BUCCAL, View.MAXILLARY_OCCLUSAL),
    Jaw.LOWER: (View.ANTERIOR, View.RIGHT_BUCCAL, View.LEFT_BUCCAL, View.MANDIBULAR_OCCLUSAL),
}


class Background(str, Enum):
    """What stands where no tooth is.

    ``black`` is what TeethDreamer's own tool writes, ``white`` what the network was trained
    on, ``rgba`` leaves it open.
    """

    BLACK = "black"
    WHITE = "white"
    RGBA = "rgba"

    __str__ = str.__str__


def jaw_mask(labels: NDArray[np.int32], jaw: Jaw) -> NDArray[np.bool_]:
    """(h, w) teeth of a jaw in an FDI label image."""
    teeth = [value for value in ids_of(labels) if jaw_of(value) is jaw]
    return np.isin(labels, teeth)


def square_place(height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a photo that is centred in a square of its longer side."""
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return slice(top, top + height), slice(left, left + width)


def masked_square(
    pixels: NDArray[np.uint8], mask: NDArray[np.bool_], background: Background
) -> NDArray[np.uint8]:
    """The photo centred in a square, (s, s, 3) or (s, s, 4), s its longer side.

    Args:
        pixels: (h, w, 3) RGB.
        mask: (h, w) what stays.
        background: what stands elsewhere.
    """
    side, place = max(mask.shape), square_place(*mask.shape)
    if background is Background.RGBA:
        out = np.zeros((side, side, 4), np.uint8)
        out[place][mask] = np.dstack([pixels, np.full(mask.shape, 255, np.uint8)])[mask]
        return out
    out = np.full((side, side, 3), 255 if background is Background.WHITE else 0, np.uint8)
    out[place][mask] = pixels[mask]
    return out


def write_pictures(
    folder: Path,
    name: str,
    photos: Mapping[View, tuple[NDArray[np.uint8], NDArray[np.int32]]],
    background: Background,
) -> list[Path]:
    """Write ``NAME_upper/000.png`` to ``003.png`` and the same for ``lower``.

    Args:
        folder: where the two folders go.
        name: of the patient.
        photos: per view the photo (h, w, 3) and its FDI labels (h, w); a jaw whose photos are not all
            there is left out.
        background: what stands where no tooth is.

    Returns:
        The files.
    """
    jaws = whole_jaws(photos)
    return sorted(
        path
        for view, shown in photos.items()
        for path in write_view(folder / name, view, shown, jaws, background)
    )


def whole_jaws(views: Collection[View]) -> tuple[Jaw, ...]:
    """The jaws whose photos are all there."""
    return tuple(jaw for jaw, needed in ORDER.items() if set(needed) <= set(views))


def write_view(
    stem: Path,
    view: View,
    shown: tuple[NDArray[np.uint8], NDArray[np.int32]],
    jaws: Collection[Jaw],
    background: Background,
) -> list[Path]:
    """Write the pictures of one photo, one for each jaw that needs it.

    Args:
        stem: the folders' path up to the jaw.
        view: which photo.
        shown: its pixels (h, w, 3), and its FDI labels (k, l), of that size or a reduced one.
        jaws: those that count.
        background: what stands where no tooth is.

    Returns:
        The files.
    """
    (pixels, labels), written = shown, []
    for jaw in (jaw for jaw in jaws if view in ORDER[jaw]):
        mask = _enlarged(jaw_mask(labels, jaw), pixels.shape[1], pixels.shape[0])
        picture = Image.fromarray(masked_square(pixels, mask, background))
        path = stem.with_name(f"{stem.name}_{jaw.value}") / f"{ORDER[jaw].index(view):03d}.png"
        write_with(path, lambda stream, picture=picture: picture.save(stream, "PNG"))
        written.append(path)
    return written


def _enlarged(mask: NDArray[np.bool_], width: int, height: int) -> NDArray[np.bool_]:
    """A mask at another size, its outline without steps."""
    if mask.shape == (height, width):
        return mask
    soft = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft > 0.5)
