"""``teethscape segment``: masks of photos, by the network or by clicks, of X-rays and of generated views."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from teethscape.cli_options import absent_of, add_absent
from teethscape.dental.fdi import Jaws
from teethscape.errors import UsageError

Result = dict[str, Any] | None
_ENGINES = ("net", "sam", "toothseg")
_BACKGROUNDS = ("black", "white", "rgba")
_FOREGROUNDS = ("plain", "rembg", "sam")


def add_segment(commands: Any) -> None:
    """Declare ``segment`` on the parser."""
    parser = commands.add_parser(
        "segment",
        help="find the teeth in photos, or in X-rays by your own network",
        description="Find the teeth of five photos, correct them by clicks, or cut out generated views.",
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder, or one strip of generated views")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder; for a strip a PNG")
    parser.add_argument("--jaw", choices=[jaws.value for jaws in Jaws], default="both")
    parser.add_argument(
        "--engine",
        choices=_ENGINES,
        default="net",
        help="who draws masks from clicks (net or sam); toothseg: X-rays",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="toothseg: the network that you trained (ONNX or .pth); sam: an installed model, such as "
        "sam-vit-h, or its file (the smallest installed)",
    )
    parser.add_argument("--points", type=Path, metavar="FILE", help="clicks and boxes (docs/clicks.md)")
    parser.add_argument(
        "--pictures", choices=_BACKGROUNDS, help="also write TeethDreamer's eight masked pictures"
    )
    parser.add_argument("--foreground", choices=_FOREGROUNDS, help="how a strip of views is cut out")
    parser.add_argument(
        "--check", action="store_true", help="only tell views, mirroring and quality of the photos"
    )
    parser.add_argument(
        "--trust-views", action="store_true", help="believe the photos' names and that none is mirrored"
    )
    add_absent(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def segment(options: argparse.Namespace) -> Result:
    """Run the command."""
    from teethscape.cli_progress import ConsoleProgress

    progress = ConsoleProgress()
    if options.engine == "toothseg":
        return _xray(options, progress)
    if options.weights is not None and options.engine != "sam":
        raise UsageError("usage", "--weights is for --engine toothseg and sam.", "Leave it out.")
    if options.photos.is_file():
        return _strip(options, progress)
    if options.foreground:
        raise UsageError("usage", "--foreground is for a strip of generated views.", "Give the picture.")
    if options.check:
        return _check(options, progress)
    if options.points is not None:
        return _clicks(options, progress)
    if options.engine == "sam":
        raise UsageError(
            "usage", "SAM finds no teeth by itself: it needs --points.", "Give clicks, or --engine net."
        )
    from teethscape.allocator import keep_freed_blocks
    from teethscape.pipeline.segment_folder import SegmentRequest, segment_folder

    keep_freed_blocks()
    return segment_folder(
        SegmentRequest(
            options.photos,
            options.output,
            Jaws(options.jaw),
            _pictures(options),
            options.trust_views,
            absent_of(options),
        ),
        progress,
    )


def _check(options: argparse.Namespace, progress: Any) -> Result:
    from teethscape.dental.request import ReconstructRequest
    from teethscape.pipeline.photo_check import check_photos

    _refuse(options, ("points", "pictures", "trust_views", "absent"), "--check")
    request = ReconstructRequest(options.photos, options.output, jaws=Jaws(options.jaw))
    record = check_photos(request, progress, options.output)
    for photo in record["photos"].values():
        for text in (*photo["notices"], *(finding["text"] for finding in photo["quality"]["findings"])):
            progress.warn("photo", f"{photo['photo']}: {text}")
    for text in record["problems"]:
        progress.warn("photo", text)
    return {"output": str(options.output), **record}


def _xray(options: argparse.Namespace, progress: Any) -> Result:
    from teethscape.segmentation.toothseg.xray import XrayRequest, segment_xray

    unfit = ("check", "points", "pictures", "foreground", "trust_views", "absent")
    _refuse(options, unfit, "--engine toothseg")
    if options.weights is None:
        raise UsageError(
            "usage", "--engine toothseg needs --weights.", "See: teethscape train segmenter --help"
        )
    return segment_xray(XrayRequest(options.photos, options.weights, options.output), progress)


def _refuse(options: argparse.Namespace, unfit: tuple[str, ...], beside: str) -> None:
    """Refuse options that would do nothing beside another one."""
    given = [f"--{name.replace('_', '-')}" for name in unfit if getattr(options, name)]
    if given:
        raise UsageError("usage", f"{', '.join(given)} cannot be given with {beside}.", "Leave it out.")


def _pictures(options: argparse.Namespace) -> Any:
    from teethscape.segmentation.clicks.pictures import Background

    return None if options.pictures is None else Background(options.pictures)


def _clicks(options: argparse.Namespace, progress: Any) -> Result:
    from teethscape.pipeline.click_folder import ClickRequest, click_folder
    from teethscape.segmentation.clicks.interface import ClickEngineName

    return click_folder(
        ClickRequest(
            options.photos, options.output, options.points, ClickEngineName(options.engine),
            Jaws(options.jaw), _pictures(options), options.trust_views, absent_of(options), options.weights,
        ),
        progress,
    )  # fmt: skip


def _strip(options: argparse.Namespace, progress: Any) -> Result:
    from teethscape.dental.wishes import ForegroundName
    from teethscape.pipeline.montage import foreground_by_clicks, foreground_by_method
    from teethscape.segmentation.clicks.interface import ClickEngineName

    _refuse(options, ("weights", "check", "pictures", "trust_views", "absent"), "a strip of generated views")
    if options.points is not None and options.foreground:
        raise UsageError("usage", "--points and --foreground exclude each other.", "Give one of the two.")
    if options.points is None and options.engine == "sam":
        raise UsageError("usage", "--engine sam needs --points.", "Give clicks, or --foreground sam.")
    if options.points is not None:
        name = ClickEngineName(options.engine)
        return foreground_by_clicks(options.photos, options.output, options.points, name, progress)
    chosen = ForegroundName(options.foreground or ForegroundName.PLAIN.value)
    return foreground_by_method(options.photos, options.output, chosen, progress)
