"""Small coloured icons of our own: confidence dots and heat-map swatches."""

from __future__ import annotations

from enum import Enum

import bpy.utils.previews
import numpy as np

from ..scene.heatmap import STOPS

_SIDE = 32
_previews: bpy.utils.previews.ImagePreviewCollection | None = None


class Confidence(Enum):
    """How sure a tooth is; the value is the dot's sRGB colour."""

    HIGH = (0.36, 0.72, 0.42)
    MIDDLE = (0.93, 0.70, 0.22)
    LOW = (0.86, 0.33, 0.28)
    ABSENT = (0.42, 0.42, 0.42)

    @staticmethod
    def of(value: float) -> Confidence:
        """The class of a confidence between 0 and 1."""
        if value >= 0.9:
            return Confidence.HIGH
        return Confidence.MIDDLE if value >= 0.6 else Confidence.LOW


def make() -> None:
    """Paint the icons once; called outside of drawing."""
    global _previews  # freed by `free`, as Blender wants it
    if _previews is not None:
        return
    _previews = bpy.utils.previews.new()
    for confidence in Confidence:
        _paint(confidence.name, confidence.value, round_shape=True)
    for k, color in enumerate(STOPS):
        _paint(f"HEAT_{k}", color, round_shape=False)


def free() -> None:
    """Give the icons back."""
    global _previews
    if _previews is not None:
        bpy.utils.previews.remove(_previews)
        _previews = None


def dot(confidence: Confidence) -> int:
    """Icon number of a confidence dot; 0 (no icon) before `make`."""
    return _previews[confidence.name].icon_id if _previews else 0


def swatch(index: int) -> int:
    """Icon number of a heat-map colour; 0 before `make`."""
    return _previews[f"HEAT_{index}"].icon_id if _previews else 0


def _paint(name: str, color: tuple[float, float, float], *, round_shape: bool) -> None:
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] - (_SIDE - 1) / 2
    pixels = np.empty((_SIDE, _SIDE, 4), np.float32)
    # Swatches fill their square, so that a row of them is one bar.
    pixels[..., 3] = np.clip(_SIDE * 0.36 - np.hypot(x, y) + 0.5, 0.0, 1.0) if round_shape else 1.0
    pixels[..., :3] = np.array(color) * pixels[..., 3:]  # icons are drawn premultiplied
    preview = _previews.new(name)
    preview.icon_size = (_SIDE, _SIDE)
    preview.icon_pixels_float.foreach_set(pixels.ravel())
