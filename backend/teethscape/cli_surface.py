"""``teethscape surface``: from views with known cameras to a mesh."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from teethscape.cli_options import add_seed
from teethscape.dental.fdi import Jaw
from teethscape.dental.request import Device
from teethscape.dental.wishes import ForegroundName, Preset, SurfaceMethod
from teethscape.errors import UsageError
from teethscape.progress import Progress
from teethscape.surface.request import (
    Background,
    DiskKernel,
    DistanceKind,
    GridName,
    SplatPlace,
    SurfaceRequest,
)

Result = dict[str, Any] | None
#: Longest number of a view.
_DIGITS = 5
#: Options that single methods know: values that any method takes, and these methods.
_METHODS: dict[str, tuple[tuple[str | None, ...], tuple[SurfaceMethod, ...]]] = {
    "preset": ((None,), (SurfaceMethod.NEUS, SurfaceMethod.GSPULL)),
    "device": (("auto", "cpu"), (SurfaceMethod.NEUS, SurfaceMethod.GSPULL)),
    "hash_grid": (("auto",), (SurfaceMethod.NEUS,)),
    "disk": ((None,), (SurfaceMethod.GSPULL,)),
    "splat": (("placed",), (SurfaceMethod.GSPULL,)),
    "background": (("black",), (SurfaceMethod.GSPULL,)),
}


def add_surface(commands: Any) -> None:
    """Declare ``surface`` on the parser."""
    parser = commands.add_parser(
        "surface",
        help="views with known cameras in, a closed mesh out; the same command continues a run",
        description="Make a surface from generated or rendered views (docs/surfaces.md).",
    )
    parser.add_argument("views", type=Path, metavar="VIEWS", help="a strip, or a folder of views")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="MESH", help="PLY, STL, OBJ, GLB or 3MF"
    )
    parser.add_argument("--method", choices=[m.value for m in SurfaceMethod], default="grid")
    parser.add_argument(
        *("--preset",), choices=[p.value for p in Preset],
        help="of NeuS and GS-Pull (teeth; small without a graphics processor)",
    )  # fmt: skip
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="how long training may take")
    parser.add_argument(
        "--case", type=Path, metavar="CASE", help="finished case: start, size and names of the teeth"
    )
    _add_views(parser)
    parser.add_argument(
        "--background", choices=[b.value for b in Background], default="black", help="behind GS-Pull's object"
    )
    parser.add_argument(
        "--disk", choices=[k.value for k in DiskKernel], help="reach of GS-Pull's disks (the preset's)"
    )
    parser.add_argument(
        *("--splat",), choices=[p.value for p in SplatPlace], default="placed",
        help="draw GS-Pull's Gaussians where they are, or where the distance pulls them",
    )  # fmt: skip
    parser.add_argument("--device", choices=[d.value for d in Device], default="auto")
    parser.add_argument("--hash-grid", choices=[g.value for g in GridName], default="auto", help="of NeuS")
    parser.add_argument(
        "--distance", choices=[d.value for d in DistanceKind], default="signed", help="unsigned is refused"
    )
    add_seed(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _add_views(parser: argparse.ArgumentParser) -> None:
    """Declare what tells how the views are read."""
    parser.add_argument("--extent", type=float, metavar="MM", help="largest extent of the jaw pair")
    parser.add_argument("--jaw", choices=[jaw.value for jaw in Jaw], help="when name or metadata do not tell")
    parser.add_argument("--keep", default="", metavar="8-15", help="numbers of the views to use (all)")
    parser.add_argument("--leave-out", default="", metavar="9,12", help="numbers of views not to use")
    tiles = parser.add_mutually_exclusive_group()
    tiles.add_argument("--normal", action="store_true", help="the strip has normal tiles (as it has anyway)")
    tiles.add_argument("--no-normals", action="store_true", help="use colours only")
    cut = parser.add_mutually_exclusive_group()
    cut.add_argument(
        "--foreground", choices=[f.value for f in ForegroundName], help="cut out a strip; fit needs --case"
    )
    cut.add_argument(
        "--rembg", action="store_const", const="rembg", dest="foreground", help="the same by rembg"
    )


def surface(options: argparse.Namespace) -> Result:
    """Run the command."""
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.surface.make import make_surface

    progress = ConsoleProgress()
    _warn_of_unused(options, progress)
    request = SurfaceRequest(
        views=options.views,
        output=options.output,
        method=SurfaceMethod(options.method),
        preset=None if options.preset is None else Preset(options.preset),
        jaw=None if options.jaw is None else Jaw(options.jaw),
        keep=numbers_of(options.keep),
        leave_out=numbers_of(options.leave_out),
        normals=not options.no_normals,
        foreground=None if options.foreground is None else ForegroundName(options.foreground),
        case=options.case,
        extent_mm=options.extent,
        budget_s=options.budget,
        device=Device(options.device),
        hash_grid=GridName(options.hash_grid),
        background=Background(options.background),
        disk=None if options.disk is None else DiskKernel(options.disk),
        splat=SplatPlace(options.splat),
        seed=options.seed,
        distance=DistanceKind(options.distance),
    )
    report = make_surface(request, progress)
    print(
        f"{report['triangles']} triangles in {report['output']}, {report['seconds']:.0f} s", file=sys.stderr
    )
    return report


def _warn_of_unused(options: argparse.Namespace, progress: Progress) -> None:
    """Say which options the method knows nothing of, for the result is not what they might promise."""
    method = SurfaceMethod(options.method)
    for name, (usual, methods) in _METHODS.items():
        if getattr(options, name) not in usual and method not in methods:
            wanted = " or ".join(m.value for m in methods)
            option = name.replace("_", "-")
            told = f"--{option} is for --method {wanted}; {method.value} knows nothing of it."
            progress.warn("option_unused", told)


def numbers_of(text: str) -> tuple[int, ...]:
    """Numbers of ``8-11,14``, each once.

    Raises:
        UsageError: the text has another form.
    """
    out: list[int] = []
    for part in (p.strip() for p in text.split(",") if text):
        first, _, last = part.partition("-")
        if not all(end.isdecimal() and len(end) <= _DIGITS for end in (first, last or first)):
            raise UsageError("usage", f"'{part}' is no number of a view.", "Write numbers such as 8-11,14.")
        some = range(int(first), int(last or first) + 1)
        if not some:
            raise UsageError("usage", f"'{part}' runs backwards.", f"Write {last}-{first}.")
        out += some
    return tuple(dict.fromkeys(out))
