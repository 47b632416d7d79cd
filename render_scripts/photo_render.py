"""Render synthetic five-photo cases with exact labels.

    blender --background --python render_scripts/photo_render.py -- --patient P.npz --output DIR
    python render_scripts/photo_render.py --patient P.npz --output DIR      (with the bpy wheel)

``P.npz`` is the description of a patient that ``teethscape.dataset.photo_patient.write_patient``
wrote; ``DIR/P`` gets photos, labels, cameras and meshes. Exit codes are those of every Teethscape
command, and reach the shell from ``blender --background`` too. See docs/synthetic-photos.md.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import bpy  # noqa: F401  before anything that imports mathutils: the wheel wants it so

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backend"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from photo_case import Quality, render_case
from photo_description import DescriptionError, read_description
from rendering.entry import check_cancelled, guarded, run_script
from rendering.options import Device, ScriptParser, at_least

from teethscape.errors import BadInputError, UsageError

log = logging.getLogger("teethscape.photo_render")


def parse(argv: list[str]) -> argparse.Namespace:
    """Arguments after ``--`` under Blender, all of them under plain Python.

    Raises:
        UsageError: they cannot be understood.
    """
    parser = ScriptParser("photo_render", description="Synthetic five-photo cases")
    parser.add_argument(
        "--patient", type=Path, action="append", required=True, help="description file (repeat for more)"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder that gets one folder per patient")
    parser.add_argument("--samples", type=at_least(1), default=3, help="Cycles samples per pixel (default 3)")
    parser.add_argument("--no-denoise", action="store_true", help="leave the render's own noise in")
    parser.add_argument("--device", type=Device, choices=list(Device), default=Device.CPU)
    parser.add_argument("--threads", type=at_least(0), default=0, help="threads of a render; 0: one per core")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--overwrite", action="store_true", help="render finished patients again")
    again.add_argument("--resume", action="store_true", help="leave finished patients as they are")
    return parser.parse_args(argv)


def _render_one(path: Path, arguments: argparse.Namespace) -> None:
    """Render one patient.

    Raises:
        BadInputError: its description cannot be read.
        UsageError: its case is there, and nothing was said about that.
    """
    try:
        description = read_description(path)
    except DescriptionError as error:
        raise BadInputError(
            "description_damaged", str(error), "Write it again with the Teethscape of this script."
        ) from error
    finished = arguments.output / description.uid
    if finished.exists() and not arguments.overwrite:
        if arguments.resume:
            return
        raise UsageError("case_exists", f"{finished} exists.", "Give --resume to keep it, or --overwrite.")
    quality = Quality(arguments.samples, not arguments.no_denoise, arguments.threads, arguments.device)
    render_case(description, arguments.output, quality)


def main(argv: list[str]) -> int:
    """Render the patients in order; the first that fails ends it. Return the exit code."""

    def work() -> int:
        arguments = parse(argv)
        for path in arguments.patient:
            check_cancelled()
            _render_one(path, arguments)
        return 0

    return guarded(work)


if __name__ == "__main__":
    run_script(main)
