"""What can be said about a photo at a glance, in words. Pure.

The engine looks closer; this is what the user should know before pressing
**Reconstruct Teeth**.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ..backend.teethscape.dental.views import View

#: Shorter side in pixels below which teeth get too small to outline well.
SMALL_SIDE_PX = 480
#: Mean brightness outside which photos are called dark or bright. Real ones lie within 0.44-0.71.
_DARK, _BRIGHT = 0.15, 0.92
#: Edge contrast below which a photo is called blurred. On ten real photos it was
#: 0.18-0.63 sharp and 0.05-0.10 after a blur of 4 px in a width of 1440 px.
_BLUR = 0.06
#: Correlation of detail above which two photos are the same one. On ten real photos
#: small, turned copies of poor quality reached 0.997, different photos at most 0.78.
_SAME = 0.95
_GRID, _BLOCK = 48, 6


class Severity(IntEnum):
    """How bad a finding is."""

    GOOD = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True)
class PhotoCheck:
    """What was found in a photo.

    Attributes:
        severity: of the worst finding.
        messages: one sentence each: what is wrong and what to do.
        size: width and height of the file, upright, px.
        fingerprint: (48, 48) unit-norm detail of the picture; empty when unreadable.
    """

    severity: Severity = Severity.GOOD
    messages: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    fingerprint: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def with_finding(self, severity: Severity, message: str) -> PhotoCheck:
        """The check with one more finding."""
        return replace(self, severity=max(self.severity, severity), messages=(*self.messages, message))


def unreadable(reason: str) -> PhotoCheck:
    """The check of a file that is no picture."""
    return PhotoCheck(Severity.ERROR, (f"{reason} Choose another file.",))


def no_preview() -> PhotoCheck:
    """The check of a HEIC photo, which Blender cannot show."""
    return PhotoCheck(
        Severity.NOTE, ("Blender cannot show HEIC; the engine reads it where its reader is installed.",)
    )


def check_photo(pixels: NDArray[np.float32], size: tuple[int, int]) -> PhotoCheck:
    """Look at an upright photo.

    Args:
        pixels: (h, w, 3) scaled copy, 0 to 1, about 512 px wide.
        size: width and height of the original, px.
    """
    grey = pixels.mean(axis=2)
    check = PhotoCheck(size=size, fingerprint=_fingerprint(grey))
    if min(size) < SMALL_SIDE_PX:
        check = check.with_finding(
            Severity.WARNING, f"Only {size[0]} x {size[1]} pixels: use the original file if there is one."
        )
    if size[1] > size[0]:
        check = check.with_finding(Severity.WARNING, "Taller than wide: turn it until the teeth are upright.")
    brightness = float(grey.mean())
    if not _DARK <= brightness <= _BRIGHT:
        word, remedy = ("dark", "more") if brightness < _DARK else ("bright", "less")
        check = check.with_finding(Severity.WARNING, f"Very {word}: take it again with {remedy} light.")
    elif _edge_contrast(grey) < _BLUR:
        check = check.with_finding(
            Severity.WARNING, "Blurred: outlines will be less sure. Take it again if you can."
        )
    return check


def find_twins(checks: Mapping[View, PhotoCheck]) -> dict[View, View]:
    """Photos that show the same picture as an earlier one, even turned or flipped."""
    twins: dict[View, View] = {}
    views = [view for view in sorted(checks) if checks[view].fingerprint.size]
    for k, view in enumerate(views):
        for earlier in views[:k]:
            if view not in twins and _same(checks[view].fingerprint, checks[earlier].fingerprint):
                twins[view] = earlier
    return twins


def _fingerprint(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Detail on a square grid: cell means less the mean of their surroundings."""
    rows = np.linspace(0, grey.shape[0], _GRID + 1).astype(int)
    columns = np.linspace(0, grey.shape[1], _GRID + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(grey, rows[:-1], axis=0), columns[:-1], axis=1)
    cells = sums / (np.diff(rows)[:, None] * np.diff(columns)[None, :])
    blocks = cells.reshape(_GRID // _BLOCK, _BLOCK, _GRID // _BLOCK, _BLOCK)
    detail = (blocks - blocks.mean(axis=(1, 3), keepdims=True)).reshape(_GRID, _GRID)
    return (detail / max(float(np.linalg.norm(detail)), 1e-6)).astype(np.float32)


def _same(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    turned = (np.rot90(image, k) for image in (second, second[:, ::-1]) for k in range(4))
    return any(float((first * image).sum()) > _SAME for image in turned)


def _edge_contrast(grey: NDArray[np.float32]) -> float:
    """Strong second differences, relative to the picture's own contrast."""
    centre = grey[1:-1, 1:-1]
    second = 4 * centre - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    spread = float(np.percentile(grey, 95) - np.percentile(grey, 5))
    return float(np.percentile(np.abs(second), 99)) / max(spread, 1e-3)
