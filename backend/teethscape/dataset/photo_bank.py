"""A folder of synthetic photographs: drawn once, read many times."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from teethscape.dataset.synthetic_photo import SyntheticPhoto, draw_photo
from teethscape.dental.views import View
from teethscape.parametric.prior import ToothPrior


def fill_bank(folder: Path, prior: ToothPrior, count: int, seed: int) -> int:
    """Draw photos until the bank holds those numbered below ``count``; returns how many are new.

    Photo ``n`` depends on ``seed`` and ``n`` alone, so a bank can be filled in pieces and in parallel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return sum(draw_into(folder, prior, number, seed) for number in range(count))


def draw_into(folder: Path, prior: ToothPrior, number: int, seed: int) -> bool:
    """Draw one photo into a bank unless it is there; returns whether it is new."""
    picture = folder / f"{number:05d}.jpg"
    if picture.exists():
        return False
    view = View(number % len(View))
    photo = draw_photo(prior, view, np.random.default_rng((seed, number)))
    cv2.imwrite(str(picture.with_suffix(".png")), photo.labels)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(70 + number % 26)]
    cv2.imwrite(str(picture), photo.pixels[..., ::-1], quality)
    return True


def read_bank(folder: Path) -> list[SyntheticPhoto]:
    """All complete photos of a bank, in order."""
    photos = []
    for picture in sorted(folder.glob("*.jpg")):
        pixels = cv2.imread(str(picture))
        labels = cv2.imread(str(picture.with_suffix(".png")), cv2.IMREAD_UNCHANGED)
        if pixels is None or labels is None:
            continue
        view = View(int(picture.stem) % len(View))
        photos.append(SyntheticPhoto(view, pixels[..., ::-1].astype(np.uint8), labels.astype(np.uint8)))
    return photos
