"""What making a surface is asked to do. Only the standard library, so that help answers at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from teethscape.dental.fdi import Jaw
from teethscape.dental.json_values import path_of, truth, whole, wholes
from teethscape.dental.request import Device
from teethscape.dental.wishes import ForegroundName, Preset, SurfaceMethod
from teethscape.errors import unreadable_request


class GridName(str, Enum):
    """An implementation of NeuS' hash grid: ours in PyTorch or by Triton, or that of tiny-cuda-nn."""

    AUTO = "auto"
    TORCH = "torch"
    TRITON = "triton"
    TCNN = "tcnn"

    __str__ = str.__str__


class Background(str, Enum):
    """What GS-Pull's training puts behind the object; ``random``: another colour each step."""

    BLACK = "black"
    WHITE = "white"
    RANDOM = "random"

    __str__ = str.__str__


class DiskKernel(str, Enum):
    """How far the disk of a Gaussian reaches onto which GS-Pull pulls.

    ``SHIPPED`` is what the release computes: the same reach everywhere, without effect. ``WIDENED`` is what
    its code seems to have meant: a hundredfold scale, the thin axis a hundredfold more. ``DISK`` is the
    paper's intent, the Gaussian itself: an offset across the disk costs more than the same along it.
    """

    SHIPPED = "shipped"
    WIDENED = "widened"
    DISK = "disk"

    __str__ = str.__str__


class SplatPlace(str, Enum):
    """Where GS-Pull draws its Gaussians once the distance pulls them.

    ``PLACED``: where they are, as the release does. ``PULLED``: where the distance pulls them, as the paper
    says, so that pictures move the distance too.
    """

    PLACED = "placed"
    PULLED = "pulled"

    __str__ = str.__str__


class DistanceKind(str, Enum):
    """What a method learns. Only ``signed`` is made: it alone bounds a body."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"

    __str__ = str.__str__


@dataclass(frozen=True)
class SurfaceRequest:
    """Everything that a surface depends on.

    Attributes:
        views: a strip, a folder of rendered views, or a data set of Blender, COLMAP or DTU.
        output: the mesh to write; its ending chooses the format.
        method: how.
        preset: settings of NeuS and GS-Pull: our own, our own for a processor without graphics, or the
            published ones; None: our own, small ones where there is no graphics processor.
        jaw: which jaw a strip or a folder of rendered views shows, when name or metadata do not tell.
        keep: numbers of the views to use; empty: all.
        leave_out: numbers of views not to use.
        normals: there are some and they are wanted; False: colours alone.
        foreground: how a strip is cut out; None: it has opacity. Folders are cut out by the fit alone.
        case: a finished case whose arch is the start and names the teeth.
        extent_mm: largest extent of the jaw pair, mm, when known. As jaw and case it is refused for views of
            other things, which keep the units and axes of their own world.
        budget_s: seconds that training may take.
        device: where to compute.
        hash_grid: implementation of the hash grid.
        background: colour behind the object in GS-Pull's training.
        disk: reach of the disks that GS-Pull pulls onto; None: the preset's.
        splat: where GS-Pull draws its Gaussians.
        seed: of every random choice.
        distance: signed; unsigned ones are refused.
    """

    views: Path
    output: Path
    method: SurfaceMethod = SurfaceMethod.GRID
    preset: Preset | None = None
    jaw: Jaw | None = None
    keep: tuple[int, ...] = ()
    leave_out: tuple[int, ...] = ()
    normals: bool = True
    foreground: ForegroundName | None = None
    case: Path | None = None
    extent_mm: float | None = None
    budget_s: float | None = None
    device: Device = Device.AUTO
    hash_grid: GridName = GridName.AUTO
    background: Background = Background.BLACK
    disk: DiskKernel | None = None
    splat: SplatPlace = SplatPlace.PLACED
    seed: int = 0
    distance: DistanceKind = DistanceKind.SIGNED

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> SurfaceRequest:
        """Build a request from JSON values; absent keys take their default.

        Raises:
            UsageError: a value is missing, misspelt or of the wrong type.
        """

        def given(name: str, read: Any) -> Any:
            return None if values.get(name) is None else read(values[name])

        try:
            return SurfaceRequest(
                views=path_of(values["views"]),
                output=path_of(values["output"]),
                method=SurfaceMethod(values.get("method", "grid")),
                preset=given("preset", Preset),
                jaw=given("jaw", Jaw),
                keep=wholes(values.get("keep", ())),
                leave_out=wholes(values.get("leave_out", ())),
                normals=truth(values.get("normals", True)),
                foreground=given("foreground", ForegroundName),
                case=given("case", path_of),
                extent_mm=given("extent_mm", float),
                budget_s=given("budget_s", float),
                device=Device(values.get("device", "auto")),
                hash_grid=GridName(values.get("hash_grid", "auto")),
                background=Background(values.get("background", "black")),
                disk=given("disk", DiskKernel),
                splat=SplatPlace(values.get("splat", "placed")),
                seed=whole(values.get("seed", 0)),
                distance=DistanceKind(values.get("distance", "signed")),
            )
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise unreadable_request(error) from error
