"""``teethscape generate``: views of a jaw by the published multi-view diffusion."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from teethscape.dental.fdi import Jaws
from teethscape.dental.request import Device
from teethscape.diffusion.memory import MemoryMode
from teethscape.libraries import require_full

Result = dict[str, Any] | None
#: Steps of a preview.
_PREVIEW_STEPS = 20


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
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="safetensors; default: the installed ones"
    )
    parser.add_argument("--jaw", choices=[j.value for j in Jaws], default=Jaws.BOTH.value)
    _add_recipe(parser)
    _add_anchor(parser)
    _add_card(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_mutually_exclusive_group()
    steps.add_argument("--steps", type=int, metavar="N", help="of the sampling (200)")
    steps.add_argument("--preview", action="store_true", help=f"{_PREVIEW_STEPS} steps, to see where it goes")
    parser.add_argument("--seed", type=int, default=6033, metavar="N")
    parser.add_argument("--guidance", type=float, default=2.0, metavar="S", help="strength of the photos (2)")
    parser.add_argument(
        *("--background",), choices=["as-given", "black", "white"], default="as-given",
        help="behind the teeth: published pictures are black, published training was white (as-given)",
    )  # fmt: skip
    parser.add_argument(
        *("--show",), type=int, default=4, metavar="N", help="write unfinished views N times per jaw (4)"
    )


def _add_anchor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        *("--no-anchor",),
        action="store_true",
        help="do not compare the views of a case with its fitted teeth",
    )
    parser.add_argument(
        *("--repaint",), type=int, default=2, metavar="N",
        help="paint views that disagree with the fitted teeth again, up to N times (2)",
    )  # fmt: skip


def _add_card(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=[d.value for d in Device], default=Device.AUTO.value)
    parser.add_argument("--precision", choices=["auto", "fp16", "bf16", "fp32"], default="auto")
    parser.add_argument(
        *("--memory",), choices=[m.value for m in MemoryMode], default=MemoryMode.AUTO.value,
        help="auto fits the work to the free memory, small takes the least",
    )  # fmt: skip


def generate(options: argparse.Namespace) -> Result:
    """Run ``generate``."""
    require_full("Painting views")
    from teethscape.anchor.report import sentences
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.diffusion.card import Precision
    from teethscape.diffusion.generate import GenerateRequest, check_steps, require_agreement
    from teethscape.diffusion.generate import generate as paint
    from teethscape.diffusion.painter import Recipe
    from teethscape.diffusion.pictures import Backdrop

    steps = _PREVIEW_STEPS if options.preview else options.steps or 200
    check_steps(steps)
    backdrop = Backdrop(options.background)
    recipe = Recipe(steps, options.seed, options.guidance, backdrop is not Backdrop.BLACK)
    request = GenerateRequest(
        options.source,
        options.output,
        options.weights,
        Jaws(options.jaw),
        recipe,
        backdrop,
        Device(options.device),
        Precision(options.precision),
        MemoryMode(options.memory),
        options.show,
        not options.no_anchor,
        max(options.repaint, 0),
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
