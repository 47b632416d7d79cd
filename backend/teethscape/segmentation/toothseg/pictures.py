"""Pictures and masks from files, at the network's size (numpy and OpenCV)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.masks import read_label_image
from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg.classes import Classes, truth_labels
from teethscape.segmentation.toothseg.index import Item

Size = tuple[int, int]
#: Grey levels of 0 to 1 become (x - 0.5) / 0.25 (spec, section 4).
MEAN, SPREAD = 0.5, 0.25
#: A picture with so few grey levels is a mask.
_MASK_LEVELS = 3
#: So is one with so few levels of which so many pixels are equal to their neighbours: numbered teeth.
_LABEL_LEVELS, _LABEL_EQUAL = 64, 0.7
#: And one with so many pixels so near to black or white: JPEG blurs a mask's borders.
_NEAR_LEVELS, _NEAR_SHARE = 16, 0.95
#: Relative difference up to which two aspect ratios count as the same.
_SAME_ASPECT = 0.02


def decode_picture(path: Path, flags: int) -> NDArray:
    """Decode a file as OpenCV's ``flags`` say, upright after its EXIF rotation.

    Raises:
        BadInputError: the file is missing, may not be read, or is no picture.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError:
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.") from None
    except OSError as error:
        raise BadInputError(
            "file_unreadable", f"{path} cannot be read ({error.strerror}).", "Check it."
        ) from error
    try:
        image = cv2.imdecode(data, flags) if len(data) else None
    except cv2.error:
        image = None
    if image is None:
        raise BadInputError(
            "not_an_image", f"{path} is no picture that can be read.", "Use PNG, JPEG or TIFF."
        )
    return image


def read_picture(path: Path, channels: int) -> NDArray[np.uint8]:
    """A picture as (h, w, channels) uint8: grey, or RGB; more than 8 bits are stretched to 0-255."""
    if channels == 1:
        return stretched(decode_picture(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH))[..., None]
    colours = decode_picture(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    return np.ascontiguousarray(stretched(colours)[..., ::-1])


def stretched(image: NDArray) -> NDArray[np.uint8]:
    """An image of any type as 8 bit; other types than that from their darkest to their brightest value.

    X-rays of 12 bits in files of 16 would be almost black if their high bytes were taken.
    """
    if image.dtype == np.uint8:
        return image
    low, high = float(image.min()), float(image.max())
    return ((image.astype(np.float32) - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def resized(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """(h, w, c) at another height and width."""
    scaled = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(scaled, np.uint8).reshape(*size, image.shape[2])


def unlabelled_picture(item: Item, size: Size, channels: int) -> NDArray[np.uint8]:
    """A picture for pre-training, (h, w, channels).

    Raises:
        BadInputError: it is a mask by its looks; reconstructing masks would leak them.
    """
    picture = read_picture(item.image, channels)
    if looks_like_mask(picture):
        raise BadInputError(
            "mask_as_image",
            f"{item.image} is flat where pictures are not: by its looks it is a mask, not a picture.",
            "Take it out of the folder or the index.",
        )
    return resized(picture, size)


def looks_like_mask(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture (h, w, c) is a mask or a label image by its grey levels, JPEG's blur allowed."""
    levels = len(np.unique(picture))
    if levels <= _MASK_LEVELS:
        return True
    equal = (picture[1:, 1:] == picture[:-1, 1:]) & (picture[1:, 1:] == picture[1:, :-1])
    if levels <= _LABEL_LEVELS and equal.mean() > _LABEL_EQUAL:
        return True
    black, white = (picture <= _NEAR_LEVELS).mean(), (picture >= 255 - _NEAR_LEVELS).mean()
    return bool(min(black, white) > 0.001 and black + white > _NEAR_SHARE)


def read_truth(item: Item, classes: Classes) -> NDArray[np.uint8]:
    """Label image (h, w) of an item at its mask's own size.

    Raises:
        BadInputError: a mask is missing, damaged or does not know the classes, or gums differ in size.
    """
    if item.mask is None:
        raise BadInputError("mask_missing", f"{item.pair_id} has no mask.", "Add one.")
    mask = read_label_image(item.mask)
    gum = read_label_image(item.gum) if item.gum is not None and "gum" in classes.planes else None
    if gum is not None and gum.shape != mask.shape:
        raise BadInputError(
            "mask_size",
            f"{item.gum} is {gum.shape[1]} x {gum.shape[0]} pixels, "
            f"its mask {mask.shape[1]} x {mask.shape[0]}.",
            "Save the gums at the mask's size.",
        )
    return truth_labels(item, mask, gum, classes)


def require_shown(items: Sequence[Item], classes: Classes) -> None:
    """Refuse masks of which not one shows anything: on them, a network that sees nothing is perfect.

    Raises:
        BadInputError: so it is, or a mask cannot be used.
    """
    if not any(read_truth(item, classes).any() for item in items):
        raise BadInputError(
            "mask_empty",
            f"None of the {len(items)} masks shows anything (first: {items[0].mask}).",
            "Check the masks, and --mask-values.",
        )


def same_shape(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two images (h, w, ...) have one aspect ratio, within 2 %."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= _SAME_ASPECT


def require_same_shape(item: Item, picture: Sequence[int], mask: Sequence[int]) -> None:
    """Refuse a mask whose shape (h, w) is not that of its picture (h, w, ...).

    Raises:
        BadInputError: so it is.
    """
    if not same_shape(picture, mask):
        raise BadInputError(
            "mask_size",
            f"The mask of {item.pair_id} is {mask[1]} x {mask[0]} pixels, "
            f"its picture {picture[1]} x {picture[0]}.",
            "Save the mask at the picture's size.",
        )


def labelled_picture(item: Item, size: Size, channels: int, classes: Classes) -> tuple[NDArray, NDArray]:
    """Picture (h, w, channels) and label image (h, w), both uint8 at the network's size.

    Raises:
        BadInputError: a file cannot be used, or picture and mask differ in shape.
    """
    picture, labels = read_picture(item.image, channels), read_truth(item, classes)
    require_same_shape(item, picture.shape, labels.shape)
    small = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)
    return resized(picture, size), np.asarray(small, np.uint8)


def normalised(picture: NDArray) -> NDArray[np.float32]:
    """(h, w, c) in [0, 1] to what the network sees, (c, h, w)."""
    values = (picture.astype(np.float32) - MEAN) / SPREAD
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def planes_of(labels: NDArray[np.uint8], classes: Classes) -> NDArray[np.float32]:
    """Label image (h, w) as planes (c, h, w) of 0 and 1."""
    return np.stack([classes.mask_of(labels, plane) for plane in range(len(classes.planes))]).astype(
        np.float32
    )
