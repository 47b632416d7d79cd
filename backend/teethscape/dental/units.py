"""Unit, frame and scale: what every file we write says about its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

#: Length unit of every coordinate on disk; 1 Blender unit = 1 mm.
UNIT = "mm"
#: Axes of the world frame (architecture, section 3); right-handed, both jaws in occlusion.
FRAME = {"x": "patient left", "y": "posterior", "z": "cranial"}
#: One line for file comments and headers.
FRAME_LINE = "right-handed, +X patient left, +Y posterior, +Z cranial, both jaws in occlusion"
ORIGIN = "midpoint of the occlusal plane"


class ScaleSource(str, Enum):
    """Where the absolute size of a result comes from."""

    ESTIMATED = "estimated"
    KNOWN_LENGTH = "known_length"
    SCAN = "scan"

    __str__ = str.__str__


@dataclass(frozen=True)
class ScaleRecord:
    """Absolute size of a result and how far to trust it.

    Attributes:
        source: what fixed the size.
        relative_sigma: standard deviation of the size as a share (0.04 = 4 %).
        factor: size relative to the prior's mean patient.
    """

    source: ScaleSource
    relative_sigma: float
    factor: float = 1.0

    def sentence(self) -> str:
        """Scale in words for comments, headers and reports."""
        origin = {
            ScaleSource.ESTIMATED: "estimated from average tooth sizes",
            ScaleSource.KNOWN_LENGTH: "from a known length",
            ScaleSource.SCAN: "from a scan",
        }[self.source]
        return f"{origin}, standard deviation {100 * self.relative_sigma:.1f} %"
