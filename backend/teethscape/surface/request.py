"""What making a surface is asked to do. Only the standard library, so that help answers at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from teethscape.dental.fdi import Jaw
from teethscape.dental.request import Device


class SurfaceMethod(str, Enum):
    """How the surface is found."""

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


@dataclass(frozen=True)
class SurfaceRequest:
    """Everything that a surface depends on.

    Attributes:
        views: a strip, a folder of rendered views, or a data set of Blender, COLMAP or DTU.
        output: the mesh to write; its ending chooses the format.
        method: how.
        preset: settings: our own, our own for a processor without graphics, or the published ones.
        jaw: which jaw a strip shows, when its name does not tell.
        keep: numbers of the views to use; empty: all.
        leave_out: numbers of views not to use.
        normals: a strip has normal tiles.
        foreground: how a strip without opacity is cut out.
        case: a finished case whose arch is the start and names the teeth.
        extent_mm: largest extent of the jaw pair, when known.
        budget_s: seconds that training may take.
        device: where to compute.
        hash_grid: implementation of the hash grid.
        background: colour behind the object in training, of data sets without opacity.
        seed: of every random choice.
    """

    views: Path
    output: Path
    method: SurfaceMethod = SurfaceMethod.GRID
    preset: Preset = Preset.TEETH
    jaw: Jaw | None = None
    keep: tuple[int, ...] = ()
    leave_out: tuple[int, ...] = ()
    normals: bool = True
    foreground: str | None = None
    case: Path | None = None
    extent_mm: float | None = None
    budget_s: float | None = None
    device: Device = Device.AUTO
    hash_grid: str = "auto"
    background: str = "black"
    seed: int = 0
