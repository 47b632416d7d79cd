"""Labelled photographs for training: real cases, the synthetic bank, and pictures without teeth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.cut_masks import cut_teeth, read_cuts
from teethscape.dataset.negatives import draw_negative
from teethscape.dental.views import View

#: What a photo's truth says of gum at a pixel.
NO_GUM, GUM_SEEN, GUM_UNKNOWN = 0, 1, 2
#: Part of a rendered case that is seen directly beside a mirror (``docs/synthetic-photos.md``).
_BESIDE_MIRROR = 11
#: Third value of a view target: a picture without teeth.
NO_VIEW = len(View)
#: Longer side in px to which real photos are reduced once.
_LONG_SIDE = 800


@dataclass(frozen=True)
class TrainingPhoto:
    """A photograph with its truth.

    Attributes:
        pixels: (h, w, 3) uint8 RGB.
        teeth: (h, w) uint8 FDI number, 0 none.
        gum: (h, w) uint8 ``NO_GUM``, ``GUM_SEEN`` or ``GUM_UNKNOWN``.
        ignore: (h, w) true where teeth may be seen that nobody labelled.
        view: number of the view, ``NO_VIEW`` for a picture without teeth.
    """

    pixels: NDArray[np.uint8]
    teeth: NDArray[np.uint8]
    gum: NDArray[np.uint8]
    ignore: NDArray[np.bool_]
    view: int


def _read(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> NDArray[np.uint8]:
    """Read a picture or say which one is missing."""
    image = cv2.imread(str(path), flags)
    if image is None:
        raise FileNotFoundError(path)
    return image  # pyright: ignore[reportReturnType]  (8-bit files by contract)


def _reduced(photo: TrainingPhoto) -> TrainingPhoto:
    """The photo at the working size."""
    height, width = photo.teeth.shape
    factor = _LONG_SIDE / max(height, width)
    if factor >= 1:
        return photo
    size = (round(width * factor), round(height * factor))
    return TrainingPhoto(
        cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8),
        cv2.resize(photo.teeth, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8),
        cv2.resize(photo.gum, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8),
        cv2.resize(photo.ignore.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0,
        photo.view,
    )


def unlabelled_teeth(pixels: NDArray[np.uint8], teeth: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a photo shows tooth colour beyond its labelled teeth: (h, w).

    Compares Lab histograms of the labelled teeth and of a ring about them, and keeps tooth-coloured
    blobs near them.
    """
    scale = max(teeth.shape) / 720
    mask = (teeth > 0).astype(np.uint8)
    near = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3) / scale
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.int32) // 8
    index = (lab[..., 0] * 32 + lab[..., 1]) * 32 + lab[..., 2]
    bins = 32**3
    inside = np.bincount(index[mask > 0], minlength=bins) + 0.02
    outside = np.bincount(index[(mask == 0) & (near < 80)], minlength=bins) + 0.02
    ratio = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    likely = cv2.GaussianBlur(np.clip(ratio, -3, 3)[index].astype(np.float32), (0, 0), 2 * scale) > 0
    blobs = (likely & (mask == 0) & (near > 2) & (near < 60)).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(blobs)
    big = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] > 250 * scale**2]
    return cv2.dilate(np.isin(parts, big).astype(np.uint8), np.ones((5, 5))) > 0


def read_case(folder: Path) -> list[TrainingPhoto]:
    """The five photos of a labelled case of the shared folder.

    Either ``labels/teeth`` (FDI, some far teeth unlabelled) or ``labels/jaws`` with our cuts.
    """
    photos = []
    for view in View:
        pixels = _read(folder / "photos" / f"{view.value}.jpg", cv2.IMREAD_COLOR)[..., ::-1].copy()
        if (folder / "labels" / "teeth").is_dir():
            teeth = _read(folder / "labels" / "teeth" / f"{view.value}.png")
            ignore = unlabelled_teeth(pixels, teeth)
        else:
            jaws = _read(folder / "labels" / "jaws" / f"{view.value}.png")
            teeth = cut_teeth(pixels, jaws, read_cuts()[view.value])
            ignore = np.zeros(teeth.shape, bool)
        gum = np.where(teeth > 0, NO_GUM, GUM_UNKNOWN).astype(np.uint8)
        photos.append(_reduced(TrainingPhoto(pixels, teeth, gum, ignore, int(view))))
    return photos


def bank_photo(picture: Path) -> TrainingPhoto:
    """One photo of a synthetic bank."""
    pixels = _read(picture, cv2.IMREAD_COLOR)[..., ::-1].copy()
    teeth = _read(picture.with_suffix(".png"))
    gum = np.where(_read(picture.with_suffix(".gum.png")) > 0, GUM_SEEN, NO_GUM).astype(np.uint8)
    return TrainingPhoto(pixels, teeth, gum, np.zeros(teeth.shape, bool), int(picture.stem) % len(View))


def rendered_photos(folder: Path) -> list[Path]:
    """The photos of all finished cases of ``photo_render.py`` below a folder."""
    return sorted(p for p in folder.glob("*/photos/?.jpg") if (p.parents[1] / "labels" / "parts").is_dir())


def rendered_photo(picture: Path) -> TrainingPhoto:
    """One photo of a rendered case; what is seen beside a mirror as well as in it is ignored."""
    pixels = _read(picture, cv2.IMREAD_COLOR)[..., ::-1].copy()
    teeth, gum, parts = (
        _read(picture.parents[1] / "labels" / kind / f"{picture.stem}.png")
        for kind in ("fdi", "gums", "parts")
    )
    seen = np.where(gum > 0, GUM_SEEN, NO_GUM).astype(np.uint8)
    return TrainingPhoto(pixels, teeth, seen, parts == _BESIDE_MIRROR, int(picture.stem))


def negative_photo(rng: np.random.Generator) -> TrainingPhoto:
    """A picture that shows no teeth."""
    pixels = draw_negative(rng)
    nothing = np.zeros(pixels.shape[:2], np.uint8)
    return TrainingPhoto(pixels, nothing, nothing, nothing > 0, NO_VIEW)
