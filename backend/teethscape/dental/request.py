"""What a reconstruction is asked to do: one frozen record for CLI, worker and Python.

Only the standard library is imported here, so that command-line help and the
worker's first answer stay quick.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from teethscape.dental.fdi import Jaws
from teethscape.dental.json_values import path_of, path_or_none, truth, whole, wholes
from teethscape.dental.lengths import KnownLength, parse_known_lengths
from teethscape.dental.views import View
from teethscape.dental.wishes import ViewWishes
from teethscape.errors import UsageError, unreadable_request


class MaskValues(str, Enum):
    """What the pixel values of a mask mean; 0 is always 'no tooth'."""

    FDI = "fdi"
    INSTANCES = "instances"
    JAWS = "jaws"
    #: FDI numbers, and ids from ``dental.masks.FIRST_UNNAMED`` on of teeth without one; of some photos.
    NAMED = "named"

    __str__ = str.__str__


class Engine(str, Enum):
    """A reconstruction method (architecture, section 4)."""

    PARAMETRIC = "parametric"
    TEETHDREAMER = "teethdreamer"
    #: Planned; this version knows the name alone, so that it can say so.
    REGRESSION = "regression"

    __str__ = str.__str__


class Device(str, Enum):
    """Where the heavy arithmetic runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"

    __str__ = str.__str__


class ExportFormat(str, Enum):
    """A mesh format of ``meshes/export/``."""

    STL = "stl"
    THREE_MF = "3mf"
    OBJ = "obj"
    GLB = "glb"

    __str__ = str.__str__


@dataclass(frozen=True)
class PhotoSlot:
    """A photo that the user has put into a view's slot by hand.

    Attributes:
        view: the slot.
        path: the picture file.
        quarter_turns: counter-clockwise quarter turns after the EXIF rotation.
        mirrored: flip left and right after turning.
    """

    view: View
    path: Path
    quarter_turns: int = 0
    mirrored: bool = False


def check_budget(budget_s: float | None) -> None:
    """Refuse a time that there is not.

    Raises:
        UsageError: it is below zero or endless.
    """
    if budget_s is not None and not 0 <= budget_s < math.inf:
        raise UsageError(
            "usage", f"A budget of {budget_s:g} seconds is none.",
            "Give zero or more seconds, or none for as many as it needs.",
        )  # fmt: skip


@dataclass(frozen=True)
class ReconstructRequest:
    """Everything that a reconstruction depends on besides the engine's version.

    Raises:
        UsageError: the budget of the surfaces is impossible.

    Attributes:
        photos: folder with the photos (unused when ``slots`` is given).
        output: the case folder to write or to resume.
        masks: folder with label images, or None to segment the photos.
        mask_values: meaning of the label images' values.
        engine: reconstruction method.
        jaws: which jaws to reconstruct.
        known_lengths: measured lengths that fix the scale.
        device: where to compute.
        seed: seed of every random choice.
        exports: extra mesh formats to write.
        slots: photos given one by one instead of a folder.
        trust_views: believe the slots or file names instead of the pictures.
        absent_teeth: FDI numbers that the user says are missing.
        views: what the engine ``teethdreamer`` needs besides.
    """

    photos: Path
    output: Path
    masks: Path | None = None
    mask_values: MaskValues = MaskValues.FDI
    engine: Engine = Engine.PARAMETRIC
    jaws: Jaws = Jaws.BOTH
    known_lengths: tuple[KnownLength, ...] = ()
    device: Device = Device.AUTO
    seed: int = 0
    exports: tuple[ExportFormat, ...] = ()
    slots: tuple[PhotoSlot, ...] = ()
    trust_views: bool = False
    absent_teeth: tuple[int, ...] = field(default=())
    views: ViewWishes = field(default_factory=ViewWishes)

    def __post_init__(self) -> None:
        check_budget(self.views.budget_s)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; ``from_json`` is the inverse."""
        return {
            "photos": str(self.photos),
            "output": str(self.output),
            "masks": None if self.masks is None else str(self.masks),
            "mask_values": self.mask_values.value,
            "engine": self.engine.value,
            "jaws": self.jaws.value,
            "known_lengths": [str(length) for length in self.known_lengths],
            "device": self.device.value,
            "seed": self.seed,
            "exports": [item.value for item in self.exports],
            "slots": [_slot_to_json(slot) for slot in self.slots],
            "trust_views": self.trust_views,
            "absent_teeth": list(self.absent_teeth),
            "views": self.views.to_json(),
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> ReconstructRequest:
        """Build a request from JSON values; absent keys take their default.

        Raises:
            UsageError: a value is missing, misspelt or of the wrong type.
        """
        try:
            return ReconstructRequest(
                photos=path_of(values["photos"]),
                output=path_of(values["output"]),
                masks=path_or_none(values.get("masks")),
                mask_values=MaskValues(values.get("mask_values", "fdi")),
                engine=Engine(values.get("engine", "parametric")),
                jaws=Jaws(values.get("jaws", "both")),
                known_lengths=parse_known_lengths(values.get("known_lengths", ())),
                device=Device(values.get("device", "auto")),
                seed=whole(values.get("seed", 0)),
                exports=tuple(ExportFormat(item) for item in values.get("exports", ())),
                slots=tuple(_slot_from_json(slot) for slot in values.get("slots", ())),
                trust_views=truth(values.get("trust_views", False)),
                absent_teeth=wholes(values.get("absent_teeth", ())),
                views=ViewWishes.from_json(values.get("views", {})),
            )
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise unreadable_request(error) from error


def _slot_to_json(slot: PhotoSlot) -> dict[str, Any]:
    return {
        "view": int(slot.view),
        "path": str(slot.path),
        "quarter_turns": slot.quarter_turns,
        "mirrored": slot.mirrored,
    }


def _slot_from_json(values: Mapping[str, Any]) -> PhotoSlot:
    return PhotoSlot(
        view=View(whole(values["view"])),
        path=path_of(values["path"]),
        quarter_turns=int(values.get("quarter_turns", 0)) % 4,
        mirrored=truth(values.get("mirrored", False)),
    )
