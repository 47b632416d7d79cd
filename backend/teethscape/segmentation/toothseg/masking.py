"""What pre-training hides or spoils of a picture (numpy and OpenCV)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.errors import UsageError

FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class BlockMasking:
    """How much of a picture is hidden, and by rectangles of which sides (px).

    Attributes:
        ratio: least share of hidden pixels; the last block usually overshoots it a little.
        smallest: shortest side of a block.
        largest: longest side of a block.
    """

    ratio: float = 0.55
    smallest: int = 32
    largest: int = 96

    def __post_init__(self) -> None:
        """Refuse values that never end or hide nothing.

        Raises:
            UsageError: a value is out of range.
        """
        if not 0 < self.ratio < 1:
            raise UsageError(
                "mask_ratio", f"A mask ratio of {self.ratio} is not between 0 and 1.", "Try 0.55."
            )
        if not 1 <= self.smallest <= self.largest:
            raise UsageError(
                "block_size",
                f"Blocks of {self.smallest} to {self.largest} px cannot be drawn.",
                "Give --min-block-size no larger than --max-block-size.",
            )


def block_mask(size: tuple[int, int], masking: BlockMasking, rng: random.Random) -> NDArray[np.uint8]:
    """Draw rectangles until they hide the wanted share (spec, section 2).

    Args:
        size: height and width in px.
        masking: share and sides; sides are cut to the picture's.
        rng: Python's own generator, which the published masks were drawn with.

    Returns:
        (h, w) 1 where hidden.
    """
    height, width = size
    mask = np.zeros(size, np.uint8)
    while mask.sum() < masking.ratio * height * width:
        rows = rng.randint(min(masking.smallest, height), min(masking.largest, height))
        columns = rng.randint(min(masking.smallest, width), min(masking.largest, width))
        top, left = rng.randint(0, height - rows), rng.randint(0, width - columns)
        mask[top : top + rows, left : left + columns] = 1
    return mask


class Perturbation(str, Enum):
    """Ways to spoil a picture that full-image pre-training must repair."""

    BLOCKS = "blocks"
    NOISE = "noise"
    BLUR = "blur"
    GAMMA = "gamma"
    CUTOUT = "cutout"
    LOWRES = "lowres"

    __str__ = str.__str__


def perturbed(image: FloatImage, ways: tuple[Perturbation, ...], rng: np.random.Generator) -> FloatImage:
    """Spoil a picture (h, w, c) in [0, 1] in all given ways but `BLOCKS`, which the caller draws."""
    for way in ways:
        if way is not Perturbation.BLOCKS:
            image = _WAYS[way](image, rng)
    return image


def _noise(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    grain = rng.normal(0, rng.uniform(0.05, 0.15), image.shape)
    return np.clip(image + grain, 0, 1).astype(np.float32)


def _blur(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    soft = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.8, 2.5)))
    return np.asarray(soft, np.float32).reshape(image.shape)


def _gamma(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    return (image ** np.exp(rng.uniform(-0.5, 0.5))).astype(np.float32)


def _cut_out(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Three grey boxes, each of a tenth to a third of each side."""
    out = image.copy()
    for _ in range(3):
        rows, columns = (int(s * rng.uniform(0.1, 0.33)) for s in image.shape[:2])
        top, left = (
            int(rng.integers(0, s - part + 1)) for s, part in zip(image.shape, (rows, columns), strict=False)
        )
        out[top : top + rows, left : left + columns] = 0.5
    return out


def _low_resolution(image: FloatImage, rng: np.random.Generator) -> FloatImage:  # noqa: ARG001 - like the others
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(width // 2, 1), max(height // 2, 1)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height)), np.float32).reshape(image.shape)


_WAYS = {
    Perturbation.NOISE: _noise,
    Perturbation.BLUR: _blur,
    Perturbation.GAMMA: _gamma,
    Perturbation.CUTOUT: _cut_out,
    Perturbation.LOWRES: _low_resolution,
}
