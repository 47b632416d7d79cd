"""Options of the render scripts: those of the published ones, and ours."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NoReturn

from teethscape.dataset.published_views import TARGET_COUNT
from teethscape.errors import UsageError

from .objects import JawChoice, Normalise


class Device(str, Enum):
    """What renders; ``GPU`` is the published word for the best one there is."""

    CPU = "CPU"
    GPU = "GPU"
    CUDA = "CUDA"
    OPTIX = "OPTIX"
    METAL = "METAL"

    __str__ = str.__str__


class Shading(str, Enum):
    """Normals of a face: one per triangle, or interpolated between its corners."""

    FLAT = "flat"
    SMOOTH = "smooth"

    __str__ = str.__str__


@dataclass(frozen=True)
class Options:
    """What all render scripts are told.

    Attributes:
        objects: mesh files.
        target_dir: root of the folders with the fixed views.
        normalise: what to do with an object that is not normalised.
        jaw: which jaw the objects are, or ``auto``.
        count: views rendered per folder.
        size: pixels of a picture's side.
        device: what renders.
        threads: threads of a render, 0 for one per core.
        seed: draws the input cameras and the noise.
        shading: flat or smooth faces.
        overwrite: render anew what is there; otherwise go on where a run ended.
    """

    objects: tuple[Path, ...]
    target_dir: Path
    normalise: Normalise
    jaw: JawChoice
    count: int
    size: int
    device: Device
    threads: int
    seed: int
    shading: Shading
    overwrite: bool


class ScriptParser(argparse.ArgumentParser):
    """A parser whose complaint is an error like every other, so that a worker can pass it on."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print.

        Raises:
            UsageError: always.
        """
        raise UsageError("usage", f"{self.prog}: {message}.", f"See {self.prog} --help.")


def at_least(low: int, high: int = 2**31 - 1) -> Callable[[str], int]:
    """An argparse type: an integer in a range."""

    def integer(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    return integer


def base_parser(prog: str, description: str, size: int) -> ScriptParser:
    """Options that all scripts take; ``size`` is the default of ``--image_size``."""
    parser = ScriptParser(prog, description=description, fromfile_prefix_chars="@")
    parser.add_argument(
        "--object_path", type=Path, nargs="+", action="extend", required=True, metavar="MESH",
        help="OBJ, PLY, STL or GLB; several render in one process (@FILE reads arguments)",
    )  # fmt: skip
    parser.add_argument("--target_dir", type=Path, required=True, help="root of the target folders")
    parser.add_argument("--input_dir", type=Path, help="root of the input folders")
    parser.add_argument("--engine", choices=["CYCLES", "BLENDER_EEVEE"], default="CYCLES")
    parser.add_argument(
        "--num_images", type=at_least(1), default=TARGET_COUNT, metavar="N",
        help=f"views per folder (default {TARGET_COUNT}; there are {TARGET_COUNT} fixed ones)",
    )  # fmt: skip
    parser.add_argument(
        "--image_size", type=at_least(8, 8192), default=size, metavar="PIXELS", help=f"default {size}"
    )
    _add_own(parser)
    return parser


def _add_own(parser: argparse.ArgumentParser) -> None:
    """Options that the published scripts do not have."""
    parser.add_argument("--device", type=Device, choices=list(Device), default=Device.CPU)
    parser.add_argument("--threads", type=at_least(0), default=0, help="threads of a render; 0: one per core")
    parser.add_argument("--seed", type=at_least(0), default=0, help="draws input cameras and noise")
    parser.add_argument("--shading", type=Shading, choices=list(Shading), default=Shading.FLAT)
    parser.add_argument(
        "--normalise", type=Normalise, choices=list(Normalise), default=Normalise.PAIR,
        help="what is not normalised: with the other jaw beside it, by itself, refused, or left alone",
    )  # fmt: skip
    parser.add_argument("--jaw", type=JawChoice, choices=list(JawChoice), default=JawChoice.AUTO)
    rerun = parser.add_mutually_exclusive_group()
    rerun.add_argument("--overwrite", action="store_true", help="render anew what is there")
    rerun.add_argument("--resume", action="store_true", help="go on where a run ended (the default)")


def base_options(found: argparse.Namespace) -> Options:
    """The common part of parsed arguments."""
    return Options(
        objects=tuple(path.resolve() for path in found.object_path),
        target_dir=found.target_dir.resolve(),
        normalise=found.normalise,
        jaw=found.jaw,
        count=found.num_images,
        size=found.image_size,
        device=found.device,
        threads=found.threads,
        seed=found.seed,
        shading=found.shading,
        overwrite=found.overwrite,
    )
