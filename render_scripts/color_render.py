"""Colour pictures of each jaw, in the layout of TeethDreamer: scattered input views and fixed targets.

    blender --background --python render_scripts/color_render.py -- ARGUMENTS
    python render_scripts/color_render.py ARGUMENTS                                 (with the bpy wheel)

The arguments ``--object_path MESH --target_dir DIR --input_dir DIR`` are needed.
Light, material and views are those of the published script; the picture's size, the number of samples
and the seed obey their flags. See docs/rendering.md for files and exit codes.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import bpy  # noqa: F401 - before anything that imports mathutils: the wheel wants it so

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backend"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from rendering.batch import each_object, facts, told
from rendering.colour import INPUT_LOOK, TARGET_LOOK, Look, Quality, prepare, rendered
from rendering.devices import can_denoise
from rendering.entry import check_cancelled, guarded, run_script
from rendering.folders import ViewFolders
from rendering.objects import DentalObject
from rendering.options import Options, at_least, base_options, base_parser
from rendering.stage import Stage, scratch_folder, set_stage

from teethscape.dataset.published_views import TARGET_COUNT, condition_views, input_cameras, target_cameras
from teethscape.errors import UsageError

log = logging.getLogger("teethscape.render")

#: Enough for 44 dB to 128 samples, both denoised (benchmarks/render.py); without a denoiser more are needed.
_SAMPLES, _SAMPLES_NOISY = 16, 128
PNG = ".png"


class Kind(str, Enum):
    """Which pictures are made."""

    INPUT = "input"
    TARGET = "target"
    BOTH = "both"

    __str__ = str.__str__


@dataclass(frozen=True)
class ColourOptions:
    """Common options, where the input views go, which pictures are made, by which engine and how well."""

    base: Options
    input_dir: Path | None
    kind: Kind
    engine: str
    quality: Quality


@dataclass(frozen=True)
class Job:
    """Folders of one kind of pictures, and the views that are still missing in them."""

    look: Look
    folders: ViewFolders
    missing: list[int]


def parse(argv: list[str]) -> ColourOptions:
    """Options from the command line.

    Raises:
        UsageError: they do not fit together.
    """
    parser = base_parser("color_render", "Colour pictures of input and fixed views", size=512)
    parser.add_argument(
        "--samples", type=at_least(1), help=f"per pixel (default {_SAMPLES}; {_SAMPLES_NOISY} undenoised)"
    )
    parser.add_argument("--no-denoise", action="store_true", help="leave the noise in")
    parser.add_argument("--only", type=Kind, choices=list(Kind), default=Kind.BOTH, help="default both")
    found = parser.parse_args(argv)
    if found.only is not Kind.TARGET and found.input_dir is None:
        parser.error("--input_dir is needed, or --only target")
    if found.input_dir is not None and found.input_dir.resolve() == found.target_dir.resolve():
        raise UsageError(
            "same_folder", "--input_dir and --target_dir are the same folder.", "Their views share names."
        )
    root = found.input_dir.resolve() if found.input_dir is not None else None
    return ColourOptions(base_options(found), root, found.only, found.engine, _quality(found))


def _quality(found: argparse.Namespace) -> Quality:
    denoise = not found.no_denoise and found.engine == "CYCLES"
    if denoise and not can_denoise():
        log.warning("This Blender was built without OpenImageDenoise; the pictures keep their noise.")
        denoise = False
    samples = found.samples or (_SAMPLES if denoise else _SAMPLES_NOISY)
    return Quality(samples, denoise, found.seed)


def jobs_of(item: DentalObject, options: ColourOptions) -> list[Job]:
    """What is to be rendered of an object, input views first."""
    base, size = options.base, options.base.size
    known = {**facts(item, base), "engine": options.engine, **asdict(options.quality)}
    views = condition_views(item.jaw)
    jobs = []
    if options.kind is not Kind.TARGET and options.input_dir is not None:
        for view in views:
            cameras = input_cameras(view, size, base.count, base.seed, item.uid)
            paths = (options.input_dir / f"{item.uid}_{view}",)
            folders = ViewFolders(paths, cameras, (PNG,), "meta", {**known, "kind": f"input {view}"})
            jobs.append(Job(INPUT_LOOK, folders, folders.missing(base.overwrite)))
    if options.kind is not Kind.INPUT:
        cameras = target_cameras(item.jaw, size, min(base.count, TARGET_COUNT))
        paths = tuple(base.target_dir / f"{item.uid}_{view}" for view in views)
        folders = ViewFolders(paths, cameras, (PNG,), "meta", {**known, "kind": "target"})
        jobs.append(Job(TARGET_LOOK, folders, folders.missing(base.overwrite)))
    return jobs


def render_object(item: DentalObject, options: ColourOptions) -> str:
    """Render what is missing of one object; return what was done."""
    jobs = [job for job in jobs_of(item, options) if job.missing]
    if not jobs:
        return "complete already"
    stage = set_stage(item, options.base)
    for job in jobs:
        job.folders.begin(options.base.overwrite, {"placement": asdict(stage.placement)})
    with scratch_folder() as scratch:
        for job in jobs:
            _render(job, stage, options, scratch)
    return f"{sum(len(job.missing) for job in jobs)} views, {told(stage.placement)}"


def _render(job: Job, stage: Stage, options: ColourOptions, scratch: Path) -> None:
    prepare(stage, job.look, options.engine, options.quality)
    for view in job.missing:
        check_cancelled()
        job.folders.put(view, {PNG: rendered(stage, job.folders.cameras.poses[view], scratch)})


def main(argv: list[str]) -> int:
    """Render the colour pictures of all objects; return the exit code."""

    def work() -> int:
        options = parse(argv)
        return each_object(options.base, lambda item: render_object(item, options))

    return guarded(work)


if __name__ == "__main__":
    run_script(main)
