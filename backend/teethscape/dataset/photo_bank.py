"""A folder of synthetic photographs: drawn once, read many times."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from teethscape.dataset.synthetic_photo import draw_photo
from teethscape.dental.views import View
from teethscape.parametric.prior import ToothPrior


def fill_bank(folder: Path, prior: ToothPrior, numbers: Iterable[int], seed: int) -> int:
    """Draw those photos of a bank that it lacks; returns how many are new."""
    return sum(draw_into(folder, prior, number, seed) for number in numbers)


def in_bank(folder: Path, number: int) -> bool:
    """Whether a bank has this photo."""
    return _picture(folder, number).exists()


def _picture(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.jpg"


def draw_into(folder: Path, prior: ToothPrior, number: int, seed: int) -> bool:
    """Draw one photo into a bank unless it is there; returns whether it is new.

    It depends on ``seed`` and ``number`` alone, so a bank can be filled in pieces and in parallel.
    Beside ``NNNNN.jpg`` lie its FDI numbers, ``NNNNN.png``, and its gums (255), ``NNNNN.gum.png``.
    """
    if in_bank(folder, number):
        return False
    picture = _picture(folder, number)
    folder.mkdir(parents=True, exist_ok=True)
    photo = draw_photo(prior, View(number % len(View)), np.random.default_rng((seed, number)))
    cv2.imwrite(str(picture.with_suffix(".png")), photo.labels)
    cv2.imwrite(str(picture.with_suffix(".gum.png")), photo.gum.astype(np.uint8) * 255)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(70 + number % 26)]
    cv2.imwrite(str(picture), photo.pixels[..., ::-1], quality)
    return True
