"""A folder of synthetic photographs: drawn once, read many times."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from teethscape.dataset.surfaces import GUM
from teethscape.dataset.synthetic_photo import draw_photo
from teethscape.dental.views import View
from teethscape.parametric.prior import ToothPrior


def fill_bank(folder: Path, prior: ToothPrior, numbers: Iterable[int], seed: int) -> int:
    """Draw those photos of a bank that it lacks; returns how many are new.

    Photo ``n`` depends on ``seed`` and ``n`` alone, so a bank can be filled in pieces and in parallel.
    Its labels hold FDI numbers and ``GUM``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = 0
    for number in numbers:
        picture = folder / f"{number:05d}.jpg"
        if picture.exists():
            continue
        view = View(number % len(View))
        photo = draw_photo(prior, view, np.random.default_rng((seed, number)))
        cv2.imwrite(str(picture.with_suffix(".png")), np.where(photo.gum, GUM, photo.labels).astype(np.uint8))
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(70 + number % 26)]
        cv2.imwrite(str(picture), photo.pixels[..., ::-1], quality)
        new += 1
    return new
