"""Synthetic pictures for the tests: five different ones, cheap and deterministic."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def picture(seed: int, width: int = 480, height: int = 360) -> np.ndarray:
    """A picture with detail at several sizes; every seed gives another one."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cells in (4, 12, 40):
        noise = rng.random((cells, cells, 3), dtype=np.float32)
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) / 3
    return np.clip(total * 255, 0, 255).astype(np.uint8)


def write_five(folder: Path, names: tuple[str, ...] = ("0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg")) -> Path:
    """Write one different picture per name."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        Image.fromarray(picture(seed)).save(folder / name, quality=95)
    return folder
