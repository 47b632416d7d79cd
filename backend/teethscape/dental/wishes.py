"""What is asked of painted views and of the surfaces made of them (the standard library alone)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from .json_values import path_or_none, whole  # relative: Blender reads this file too


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


class Backdrop(str, Enum):
    """What stands behind the teeth of the photos that views are painted from.

    ``as-given`` does what the published program does: pictures without opacity stay as they are
    (black, as its own tool writes them), pictures with opacity are laid on white.
    """

    AS_GIVEN = "as-given"
    BLACK = "black"
    WHITE = "white"

    __str__ = str.__str__

    @property
    def lays_on_white(self) -> bool:
        """Whether pictures with opacity are laid on white, not on black."""
        return self is not Backdrop.BLACK


class Precision(str, Enum):
    """How exactly the networks compute that paint views."""

    AUTO = "auto"
    HALF = "fp16"
    BRAIN = "bf16"
    FULL = "fp32"

    __str__ = str.__str__


class MemoryMode(str, Enum):
    """How the memory of the graphics processor is used; it does not change the views."""

    AUTO = "auto"
    SMALL = "small"

    __str__ = str.__str__


#: Steps of a preview, to see where it goes.
PREVIEW_STEPS = 20


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
        background: what stands behind the teeth of the photos.
        precision: how exactly the networks compute.
        memory: how the card's memory is used.
    """

    weights: Path | None = None
    steps: int = 200
    repaint: int = 2
    surface: SurfaceMethod | None = None
    preset: Preset | None = None
    budget_s: float | None = None
    foreground: ForegroundName = ForegroundName.PLAIN
    background: Backdrop = Backdrop.AS_GIVEN
    precision: Precision = Precision.AUTO
    memory: MemoryMode = MemoryMode.AUTO

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
            "background": self.background.value,
            "precision": self.precision.value,
            "memory": self.memory.value,
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> ViewWishes:
        """Build it from JSON values; absent keys take their default."""
        usual = ViewWishes()
        return ViewWishes(
            weights=path_or_none(values.get("weights")),
            steps=whole(values.get("steps", usual.steps)),
            repaint=whole(values.get("repaint", usual.repaint)),
            surface=SurfaceMethod(values["surface"]) if values.get("surface") else None,
            preset=Preset(values["preset"]) if values.get("preset") else None,
            budget_s=None if values.get("budget_s") is None else float(values["budget_s"]),
            foreground=ForegroundName(values.get("foreground", usual.foreground)),
            background=Backdrop(values.get("background", usual.background)),
            precision=Precision(values.get("precision", usual.precision)),
            memory=MemoryMode(values.get("memory", usual.memory)),
        )
