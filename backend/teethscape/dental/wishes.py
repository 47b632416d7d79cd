"""What is asked of painted views and of the surfaces made of them (the standard library alone)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any


class SurfaceMethod(str, Enum):
    """How a surface is found from views."""

    NEUS = "neus"
    GSPULL = "gspull"
    GRID = "grid"

    __str__ = str.__str__


class Preset(str, Enum):
    """Which settings of a method."""

    TEETH = "teeth"
    SMALL = "small"
    UPSTREAM = "upstream"

    __str__ = str.__str__


class ForegroundName(str, Enum):
    """How generated views are cut out of their background.

    ``plain``: what differs from the colour of the border; ``fit``: where the fitted teeth are; ``rembg`` and
    ``sam``: by networks of their own.
    """

    PLAIN = "plain"
    FIT = "fit"
    REMBG = "rembg"
    SAM = "sam"

    __str__ = str.__str__


@dataclass(frozen=True)
class ViewWishes:
    """How the engine ``teethdreamer`` paints views and makes surfaces of them.

    Attributes:
        weights: file of the networks; None for the installed one.
        steps: of the sampling.
        repaint: how often views that disagree with the fit are painted again at the most.
        surface: how surfaces are found; None: NeuS where there is a graphics processor, else the grid.
        preset: settings of NeuS and GS-Pull; None: our own, small ones where there is no graphics processor.
        budget_s: seconds that a jaw's surface may take; None: as many as it needs.
        foreground: how the views are cut out.
    """

    weights: Path | None = None
    steps: int = 200
    repaint: int = 2
    surface: SurfaceMethod | None = None
    preset: Preset | None = None
    budget_s: float | None = None
    foreground: ForegroundName = ForegroundName.PLAIN

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; ``from_json`` is the inverse."""
        return {
            "weights": None if self.weights is None else str(self.weights),
            "steps": self.steps,
            "repaint": self.repaint,
            "surface": None if self.surface is None else self.surface.value,
            "preset": None if self.preset is None else self.preset.value,
            "budget_s": self.budget_s,
            "foreground": self.foreground.value,
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> ViewWishes:
        """Build it from JSON values; absent keys take their default."""
        usual = ViewWishes()
        return ViewWishes(
            weights=Path(values["weights"]) if values.get("weights") else None,
            steps=int(values.get("steps", usual.steps)),
            repaint=int(values.get("repaint", usual.repaint)),
            surface=SurfaceMethod(values["surface"]) if values.get("surface") else None,
            preset=Preset(values["preset"]) if values.get("preset") else None,
            budget_s=None if values.get("budget_s") is None else float(values["budget_s"]),
            foreground=ForegroundName(values.get("foreground", usual.foreground)),
        )
