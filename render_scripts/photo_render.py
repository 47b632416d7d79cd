"""Render synthetic five-photo cases with exact labels.

    blender --background --python render_scripts/photo_render.py -- --patient P.npz --output DIR
    python render_scripts/photo_render.py --patient P.npz --output DIR      (with the bpy wheel)

``P.npz`` is the description of a patient that ``teethscape.dataset.photo_patient.write_patient``
wrote; ``DIR/P`` gets photos, labels, cameras and meshes.  Exit codes are those of every Teethscape
command; a Blender that ends with an error of Python returns 1, so give ``--python-exit-code 1``
before ``--python``.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import bpy  # noqa: F401  before anything that imports mathutils: the wheel wants it so

sys.path.insert(0, str(Path(__file__).resolve().parent))
from photo_case import Quality, render_case
from photo_description import DescriptionError, read_description

log = logging.getLogger("teethscape.photo_render")


def parse(argv: list[str]) -> argparse.Namespace:
    """Arguments after ``--`` under Blender, all of them under plain Python."""
    parser = argparse.ArgumentParser(prog="photo_render", description="Synthetic five-photo cases")
    parser.add_argument(
        "--patient", type=Path, action="append", required=True, help="description file (repeat for more)"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder that gets one folder per patient")
    parser.add_argument("--samples", type=int, default=3, help="Cycles samples per pixel (default 3)")
    parser.add_argument("--no-denoise", action="store_true", help="leave the render's own noise in")
    parser.add_argument("--threads", type=int, default=0, help="threads of a render; 0: one per core")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--overwrite", action="store_true", help="render finished patients again")
    again.add_argument("--resume", action="store_true", help="leave finished patients as they are")
    return parser.parse_args(argv)


def _render_one(path: Path, arguments: argparse.Namespace) -> int:
    """Render one patient; the exit code."""
    try:
        description = read_description(path)
    except DescriptionError as error:
        log.error("%s Write it again with the Teethscape of this script.", error)
        return 3
    if (arguments.output / description.uid).exists() and not arguments.overwrite:
        if arguments.resume:
            return 0
        log.error("%s exists. Give --resume to keep it, or --overwrite.", arguments.output / description.uid)
        return 2
    try:
        quality = Quality(arguments.samples, not arguments.no_denoise, arguments.threads)
        render_case(description, arguments.output, quality)
    except MemoryError:
        log.error("Out of memory while rendering %s. Render fewer patients at a time.", path)
        return 6
    return 0


def main(argv: list[str]) -> int:
    """Render the patients in order; the first exit code that is not 0 ends it."""
    try:
        arguments = parse(argv)
    except SystemExit as end:
        return int(end.code or 0)
    for path in arguments.patient:
        if code := _render_one(path, arguments):
            return code
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    own = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    if code := main(own):
        sys.exit(code)
