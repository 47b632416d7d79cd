"""Random flips and motions of training pictures (spec, section 4).

Each is one flip or one affine warp, so OpenCV, which the engine has anyway, does it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Motion:
    """Limits of a random motion.

    Attributes:
        turn_deg: largest turn either way, degrees.
        shift: largest shift as a share of each side.
        scale: largest relative change of size.
        chance: how often the picture is moved at all.
        flip: how often it is mirrored left to right.
    """

    turn_deg: float
    shift: float = 0.0
    scale: float = 0.0
    chance: float = 0.5
    flip: float = 0.5


PRETRAINING = Motion(10.0, 0.05, 0.05)
FINE_TUNING = Motion(5.0)


def moved(images: tuple[NDArray, ...], motion: Motion, rng: np.random.Generator) -> tuple[NDArray, ...]:
    """Move pictures of one scene alike: the first smoothly, the others (labels) by the nearest pixel.

    Args:
        images: (h, w[, c]) uint8 arrays of one height and width.
        motion: limits.
        rng: where the motion comes from; the same draws are taken whatever happens.
    """
    flip, move = rng.random() < motion.flip, rng.random() < motion.chance
    turn, scale, right, down = rng.uniform(-1, 1, 4) * (
        motion.turn_deg, motion.scale, motion.shift, motion.shift
    )  # fmt: skip
    if flip:
        images = tuple(np.ascontiguousarray(image[:, ::-1]) for image in images)
    if not move:
        return images
    height, width = images[0].shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(turn), 1 + float(scale))
    matrix[:, 2] += right * width, down * height
    methods = (cv2.INTER_LINEAR, *[cv2.INTER_NEAREST] * (len(images) - 1))
    return tuple(_warped(image, matrix, method) for image, method in zip(images, methods, strict=True))


def _warped(image: NDArray, matrix: NDArray, method: int) -> NDArray:
    size = image.shape[1], image.shape[0]
    out = cv2.warpAffine(image, matrix, size, flags=method, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(out, image.dtype).reshape(image.shape)
