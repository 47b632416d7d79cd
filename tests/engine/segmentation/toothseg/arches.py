"""Small drawn pictures of dental arches with exact masks, and data sets made of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def draw_arch(seed: int, size: tuple[int, int] = (64, 96)) -> tuple[np.ndarray, np.ndarray]:
    """A grey picture (h, w) and its FDI labels (h, w): two bent rows of bright teeth on uneven ground."""
    rng = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    ground = 70 + 30 * np.sin(x / width * 3 + rng.uniform(0, 6)) + 20 * y / height
    labels = np.zeros(size, np.uint8)
    bend, middle = rng.uniform(0.05, 0.2) * height, height / 2 + rng.uniform(-4, 4)
    count = int(rng.integers(8, 12))
    for row, quadrants in ((-1, (1, 2)), (1, (4, 3))):
        for k in range(count):
            along = (k + 0.5) / count * 2 - 1
            centre = (
                width / 2 + along * width * 0.42,
                middle + row * height * 0.13 + bend * (along**2 - 0.5),
            )
            half = (width * 0.36 / count, height * rng.uniform(0.09, 0.12))
            number = 10 * quadrants[along > 0] + 1 + int(abs(along) * 6.9)
            cv2.ellipse(labels, (centre, (2 * half[0], 2 * half[1]), rng.uniform(-8, 8)), number, -1)
    picture = np.where(labels > 0, 190 + 25 * np.cos(y / 3), ground) + rng.normal(0, 5, size)
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 0.6), 0, 255).astype(np.uint8), labels


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def folders(root: Path, count: int, size: tuple[int, int] = (64, 96)) -> tuple[Path, Path]:
    """TG3K's form: ``thyroid-image/NNNN`` and ``thyroid-mask/NNNN``, white masks."""
    for k in range(count):
        picture, labels = draw_arch(k, size)
        _write(root / "thyroid-image" / f"{k:04d}.png", picture)
        _write(root / "thyroid-mask" / f"{k:04d}.png", ((labels > 0) * 255).astype(np.uint8))
    return root / "thyroid-image", root / "thyroid-mask"


def sts(root: Path, labelled: int = 4, unlabelled: int = 3) -> Path:
    """STS-2D-Tooth's form for both age groups."""
    number = 0
    for group in ("adult", "children"):
        for k in range(labelled + unlabelled):
            picture, labels = draw_arch(number)
            number += 1
            status = "labeled" if k < labelled else "unlabeled"
            _write(root / group / status / "images" / f"{k}.png", picture)
            if k < labelled:
                _write(root / group / status / "masks" / f"{k}.png", ((labels > 0) * 255).astype(np.uint8))
    return root


def cases(root: Path, count: int = 3, photos: int = 2) -> Path:
    """Photo cases with FDI labels and gums."""
    for case in range(count):
        for k in range(photos):
            picture, labels = draw_arch(100 * case + k)
            _write(
                root / f"patient-{case}" / "photos" / f"{k}.png",
                np.dstack([picture // 2, picture // 2, picture]),
            )
            _write(root / f"patient-{case}" / "labels" / "fdi" / f"{k}.png", labels)
            gum = cv2.dilate((labels > 0).astype(np.uint8), np.ones((5, 5))) * (labels == 0)
            _write(root / f"patient-{case}" / "labels" / "gums" / f"{k}.png", gum)
    return root
