"""Label images that say where the teeth are, given by the user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dental import fdi
from teethscape.dental.photos import Photo, turn
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.errors import BadInputError, RefusedError

#: Relative difference up to which two aspect ratios count as the same.
_SAME_ASPECT = 0.002
#: Values of ``named`` masks from here on are teeth without a number.
FIRST_UNNAMED = 100
#: What Pillow may raise on a damaged file, or on one that says it has more pixels than can be safe.
DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def read_masks(
    folder: Path, photos: Mapping[View, Photo], values: MaskValues
) -> tuple[dict[View, NDArray[np.int32]], tuple[str, ...]]:
    """Read ``folder/{0..4}.png`` and bring them onto the photos' working copies.

    Of ``named`` masks there need not be one for every photo.

    Returns:
        Per view an (h, w) int32 label image of the photo's size (0 = no tooth),
        and notices for the user.

    Raises:
        BadInputError: a mask is missing, damaged, of another size, empty, or
            holds values without a meaning.
        RefusedError: the masks name primary teeth.
    """
    masks, notices = {}, []
    for view, photo in photos.items():
        path = _mask_path(folder, view)
        if values is MaskValues.NAMED and not path.is_file() and folder.is_dir():
            continue
        mask = read_label_image(path)
        check_values(mask, values, path.name)
        fitted, notice = _onto_photo(mask, photo, path.name)
        masks[view] = fitted
        notices += [notice] if notice else []
    if not masks:
        raise BadInputError("mask_missing", f"{folder} holds no mask of these photos.", "Add one.")
    if values in (MaskValues.FDI, MaskValues.NAMED):
        notices += _third_molar_notice(masks)
    return masks, tuple(notices)


def read_label_image(path: Path) -> NDArray[np.int32]:
    """Read an 8-bit, palette or 16-bit label image as (h, w) int32 values."""
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P", "1", "I;16", "I;16B", "I"):
                return _equal_channels(np.asarray(image.convert("RGB")), path)
            return np.asarray(image).astype(np.int32)
    except FileNotFoundError:
        raise BadInputError("mask_missing", f"The mask {path} does not exist.", "Add it.") from None
    except PermissionError:
        raise BadInputError(
            "file_permission", f"{path} may not be read by this user.", "Give yourself permission to read it."
        ) from None
    except DECODE_ERRORS as error:
        raise BadInputError(
            "mask_damaged", f"{path.name} is not a readable label image ({error}).", "Save it again as PNG."
        ) from error


def check_values(mask: NDArray[np.int32], values: MaskValues, name: str) -> None:
    """Refuse values that have no meaning in the given mask kind."""
    found = [int(value) for value in np.unique(mask) if value != 0]
    if not found:
        raise BadInputError("mask_empty", f"{name} marks no tooth.", "Check the mask, or leave it out.")
    if values is MaskValues.FDI:
        _check_fdi(found, name)
    elif values is MaskValues.NAMED:
        _check_fdi([value for value in found if value < FIRST_UNNAMED], name)
    elif values is MaskValues.JAWS and not set(found) <= {1, 2}:
        raise BadInputError(
            "mask_values",
            f"{name} holds the values {_some(found)}, but a jaw mask knows only 1 (upper) and 2 (lower).",
            "Say what the values mean with --mask-values fdi or instances.",
        )


def _check_fdi(found: list[int], name: str) -> None:
    primary = [value for value in found if fdi.is_primary(value)]
    if primary:
        raise RefusedError(
            "primary_teeth",
            f"{name} names the milk teeth {_some(primary)}; milk and mixed dentitions are not supported.",
            "Teethscape models permanent teeth only.",
        )
    unknown = [value for value in found if not fdi.is_permanent(value)]
    if unknown:
        raise BadInputError(
            "mask_values",
            f"{name} holds the values {_some(unknown)}, which are no FDI tooth numbers.",
            "Say what the values mean with --mask-values instances or jaws.",
        )


def _some(values: list[int]) -> str:
    return ", ".join(map(str, values[:5])) + (" ..." if len(values) > 5 else "")


def _equal_channels(rgb: NDArray[np.uint8], path: Path) -> NDArray[np.int32]:
    """Labels of a grey picture that was saved as colour."""
    if not (np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 0], rgb[..., 2])):
        raise BadInputError(
            "mask_colour",
            f"{path.name} is a colour picture, not a label image.",
            "Save one grey or palette value per tooth.",
        )
    return rgb[..., 0].astype(np.int32)


def _onto_photo(mask: NDArray[np.int32], photo: Photo, name: str) -> tuple[NDArray[np.int32], str]:
    """Bring a mask of the original photo onto the working copy."""
    height, width = mask.shape
    original_width, original_height = photo.original_size
    upright = photo.quarter_turns % 2 == 0
    target = photo.size if upright else (photo.size[1], photo.size[0])
    aspect = (width / height) / (original_width / original_height)
    if abs(aspect - 1) > _SAME_ASPECT and (width, height) != target:
        swapped = (height, width) == photo.original_size
        raise BadInputError(
            "mask_size",
            f"{name} is {width} x {height} pixels, but its photo {photo.source.name} is "
            f"{original_width} x {original_height} after its EXIF rotation.",
            "Draw the mask on the rotated photo." if swapped else "Save the mask at the photo's size.",
        )
    notice = ""
    if (width, height) not in (photo.original_size, target):
        notice = f"The mask {name} ({width} x {height}) was scaled to its photo's size."
    if (width, height) != target:
        mask = at_size(mask, target)
    return turn(mask, photo.quarter_turns, photo.mirrored), notice


def _mask_path(folder: Path, view: View) -> Path:
    """The mask of a view: ``3.png``, or another lossless picture with that name."""
    for suffix in (".png", ".tif", ".tiff", ".bmp"):
        path = folder / f"{view.value}{suffix}"
        if path.is_file():
            return path
    return folder / f"{view.value}.png"


def _third_molar_notice(masks: Mapping[View, NDArray[np.int32]]) -> list[str]:
    present = sorted(
        {int(value) for mask in masks.values() for value in np.unique(mask)} & set(fdi.THIRD_MOLARS)
    )
    if not present:
        return []
    return [f"The third molar(s) {_some(present)} are left out of the result."]


def ids_of(labels: NDArray[np.integer]) -> list[int]:
    """Ids in a label image (h, w) without the 0, ascending; far faster than sorting all pixels."""
    return [int(i) + 1 for i in np.flatnonzero(np.bincount(labels.ravel())[1:])]


def at_size(labels: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Labels (h, w) at another size (width, height)."""
    return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.int32)
