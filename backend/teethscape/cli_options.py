"""Options of ``teethscape reconstruct`` and how their texts become values."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from teethscape.cli_views import add_painting, painting_of
from teethscape.dental.fdi import TEETH, Jaws
from teethscape.dental.lengths import KnownLength, parse_known_lengths
from teethscape.dental.request import Device, Engine, ExportFormat, MaskValues
from teethscape.dental.wishes import ForegroundName, Preset, SurfaceMethod, ViewWishes
from teethscape.errors import UsageError

#: What the generators of random numbers of NumPy and PyTorch both take.
LARGEST_SEED = 2**63 - 1


def add_reconstruct(commands: Any) -> None:
    """Declare ``reconstruct`` on the parser."""
    parser = commands.add_parser(
        "reconstruct",
        help="photos in, case folder with teeth out; the same command resumes a run",
        description="Reconstruct upper and lower teeth in millimetres from five intra-oral photos.",
    )
    parser.add_argument(
        "photos", type=Path, metavar="PHOTOS", help="folder with the photos, best named 0 to 4"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="CASE", help="case folder to write")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="label images 0.png to 4.png")
    parser.add_argument(
        "--mask-values", choices=[v.value for v in MaskValues], help="what the masks' values mean (fdi)"
    )
    parser.add_argument("--engine", choices=[e.value for e in Engine], default=Engine.PARAMETRIC.value)
    _add_views(parser)
    parser.add_argument("--jaw", choices=[j.value for j in Jaws], default=Jaws.BOTH.value)
    parser.add_argument(
        *("--known-length",),
        action="extend",
        nargs="+",
        default=[],
        metavar="11=8.6",
        help="measured tooth width or arch width (33-43=26.5) in mm; may be given several times",
    )
    parser.add_argument("--device", choices=[d.value for d in Device], default=Device.AUTO.value)
    add_seed(parser)
    parser.add_argument("--export", default="", metavar="stl,3mf,obj,glb", help="extra mesh formats")
    add_absent(parser)
    parser.add_argument(
        "--trust-views",
        action="store_true",
        help="believe the file names and that no photo is mirrored; do not recognise the views",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")


def add_seed(parser: Any, default: int | None = 0) -> None:
    """Declare ``--seed`` on a parser or a group of one."""
    parser.add_argument("--seed", type=_seed, default=default, metavar="N")


def _seed(text: str) -> int:
    """Refuses what no generator takes; argparse makes the sentence."""
    if not (text.isdecimal() and len(text) < 20 and int(text) <= LARGEST_SEED):
        raise argparse.ArgumentTypeError(f"must be 0 to {LARGEST_SEED}, not {text}")
    return int(text)


def require_least(options: argparse.Namespace, least: Mapping[str, float]) -> None:
    """Refuse numbers below the least ones that are of use, by the options' names; those not given are fine.

    Raises:
        UsageError: a number is too small, or none.
    """
    for name, limit in least.items():
        value = getattr(options, name, None)
        if value is not None and not (isfinite(value) and value >= limit):
            raise UsageError(
                "usage",
                f"{name.replace('_', ' ').capitalize()} is at least {limit}, not {value}.",
                "Give a larger number, or leave the option out.",
            )


def _add_views(parser: argparse.ArgumentParser) -> None:
    """What the engine ``teethdreamer`` needs besides."""
    usual = ViewWishes()
    views = parser.add_argument_group("engine teethdreamer")
    views.add_argument(
        *("--surface",), choices=[m.value for m in SurfaceMethod],
        help="how surfaces are found (neus with a graphics processor, else grid)",
    )  # fmt: skip
    views.add_argument(
        *("--preset",), choices=[p.value for p in Preset],
        help="settings of neus and gspull (teeth with a graphics processor, else small)",
    )  # fmt: skip
    add_painting(views)
    views.add_argument(
        *("--foreground",), choices=[f.value for f in ForegroundName], default=usual.foreground.value,
        help="how the views are cut out (plain)",
    )  # fmt: skip
    views.add_argument("--budget", type=float, metavar="SECONDS", help="how long each surface may take")


def view_wishes_of(options: argparse.Namespace) -> ViewWishes:
    """Wishes for the engine ``teethdreamer``; useless with another engine."""
    surface = SurfaceMethod(options.surface) if options.surface else None
    preset = Preset(options.preset) if options.preset else None
    wishes = replace(
        painting_of(options), surface=surface, preset=preset, budget_s=options.budget,
        foreground=ForegroundName(options.foreground),
    )  # fmt: skip
    if wishes != ViewWishes() and options.engine != Engine.TEETHDREAMER.value:
        raise UsageError(
            "usage",
            "--surface, --preset, --weights, --steps, --preview, --background, --repaint, --precision, "
            "--memory, --foreground and --budget need --engine teethdreamer.",
            "Add it, or leave them out.",
        )
    return wishes


def folder_of(path: Path) -> Path:
    """The folder itself, or a case's photos when a case is given."""
    return path / "photos" if (path / "case.json").is_file() else path


def mask_values_of(options: argparse.Namespace) -> MaskValues:
    """Meaning of the masks' values; useless without masks."""
    if options.mask_values and options.masks is None:
        raise UsageError("usage", "--mask-values needs --masks.", "Give the folder of the label images.")
    return MaskValues(options.mask_values or MaskValues.FDI.value)


def lengths_of(options: argparse.Namespace) -> tuple[KnownLength, ...]:
    """Known lengths, contradictions refused."""
    texts = [part for text in options.known_length for part in text.split(";") if part.strip()]
    return parse_known_lengths(texts)


def exports_of(options: argparse.Namespace) -> tuple[ExportFormat, ...]:
    """Formats of ``--export stl,3mf``."""
    names = [name.strip().lower() for name in options.export.split(",") if name.strip()]
    known = [kind.value for kind in ExportFormat]
    for name in names:
        if name not in known:
            raise UsageError("usage", f"'{name}' is no export format.", f"Choose from {', '.join(known)}.")
    return tuple(ExportFormat(name) for name in dict.fromkeys(names))


def add_absent(parser: argparse.ArgumentParser) -> None:
    """Declare ``--absent``, which teeth are missing."""
    parser.add_argument(
        "--absent", type=int, nargs="+", action="extend", default=[], metavar="FDI", help="missing teeth"
    )


def absent_of(options: argparse.Namespace) -> tuple[int, ...]:
    """FDI numbers of missing teeth; others than the model's are refused."""
    unknown = [tooth for tooth in options.absent if tooth not in TEETH]
    if unknown:
        raise UsageError("usage", f"{unknown[0]} is no tooth of the model.", "Use FDI numbers such as 14.")
    return tuple(options.absent)
