"""``teethscape generate``: views of a jaw by the published multi-view diffusion."""

from __future__ import annotations

import argparse
import sys
from math import isfinite
from pathlib import Path
from typing import Any

from teethscape.cli_options import add_seed
from teethscape.cli_views import add_painting, painting_of
from teethscape.dental.fdi import Jaws
from teethscape.dental.request import Device
from teethscape.errors import UsageError
from teethscape.libraries import require_full

Result = dict[str, Any] | None


def add_generate(commands: Any) -> None:
    """Declare ``generate`` on the parser."""
    parser = commands.add_parser(
        "generate",
        help="photos of the teeth in, colour and normal views out (TeethDreamer; the same command resumes)",
        description="Paint eight colour and eight normal views of each jaw from its masked photos.",
    )
    words = "a case, or a folder with NAME_upper/000.png to 003.png and NAME_lower/..."
    parser.add_argument("source", type=Path, metavar="CASE|SEGMENTED_DIR", help=words)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the strips")
    parser.add_argument("--jaw", choices=[j.value for j in Jaws], default=Jaws.BOTH.value)
    add_painting(parser)
    _add_own(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")


def _add_own(parser: argparse.ArgumentParser) -> None:
    """What only this command has."""
    add_seed(parser, 6033)
    parser.add_argument("--guidance", type=float, default=2.0, metavar="S", help="strength of the photos (2)")
    parser.add_argument(
        *("--show",), type=int, default=4, metavar="N", help="write unfinished views N times per jaw (4)"
    )
    parser.add_argument(
        *("--no-anchor",),
        action="store_true",
        help="do not compare the views of a case with its fitted teeth",
    )
    parser.add_argument("--device", choices=[d.value for d in Device], default=Device.AUTO.value)


def generate(options: argparse.Namespace) -> Result:
    """Run ``generate``."""
    require_full("Painting views")
    from teethscape.anchor.report import sentences
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.diffusion.generate import GenerateRequest, check_steps, require_agreement
    from teethscape.diffusion.generate import generate as paint
    from teethscape.diffusion.painter import Recipe

    wishes = painting_of(options)
    check_steps(wishes.steps)
    if not isfinite(options.guidance):
        hint = "See: teethscape generate --help"
        raise UsageError("usage", f"--guidance must be a number, not {options.guidance}.", hint)
    recipe = Recipe(wishes.steps, options.seed, options.guidance, wishes.background.lays_on_white)
    request = GenerateRequest(
        options.source,
        options.output,
        wishes.weights,
        Jaws(options.jaw),
        recipe,
        wishes.background,
        Device(options.device),
        wishes.precision,
        wishes.memory,
        options.show,
        not options.no_anchor,
        wishes.repaint,
    )
    done = paint(request, ConsoleProgress())
    for jaw in done:
        print(f"{jaw.name}: {jaw.file}{' (kept)' if jaw.resumed else ''}", file=sys.stderr)
        for line in sentences(jaw.report) if jaw.report else ():
            print(line, file=sys.stderr)
    require_agreement(done)
    return {"views": [_listed(jaw) for jaw in done]}


def _listed(jaw: Any) -> dict[str, Any]:
    """A finished jaw for ``--json``."""
    from teethscape.anchor.report import as_json

    out = {"name": jaw.name, "file": str(jaw.file), "kept": jaw.resumed}
    return out if jaw.report is None else {**out, "anchor": as_json(jaw.report)}
