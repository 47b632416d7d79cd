"""``teethscape train``: make the models that ship with the engine anew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from teethscape.cli_options import add_seed, require_least
from teethscape.cli_progress import PlainProgress
from teethscape.cli_segmenter import add_segmenter_actions
from teethscape.cli_teethdreamer import add_teethdreamer, run_teethdreamer
from teethscape.errors import BadInputError, UsageError
from teethscape.libraries import require_torch


def add_train(commands: Any) -> None:
    """Declare ``train`` and its models on the parser."""
    parser = commands.add_parser(
        "train", help="make a model that ships with the engine anew, or one of your own"
    )
    models = parser.add_subparsers(dest="model", required=True, metavar="prior|segmenter|teethdreamer")
    prior = models.add_parser("prior", help="the tooth prior from the published one")
    segmenter = models.add_parser(
        "segmenter",
        help="the network that ships (--source, --output), or your own by one of the actions",
    )
    for one in (prior, segmenter):
        words = "the published model or the labelled photos"
        one.add_argument("--source", type=Path, metavar="PATH", help=words)
        one.add_argument("--output", type=Path, metavar="FILE")
    _add_recipe(segmenter)
    add_segmenter_actions(segmenter)
    add_teethdreamer(models)


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    """How the network that ships is trained; what is not given keeps its default."""
    recipe = parser.add_argument_group("the network that ships")
    recipe.add_argument("--renders", type=Path, metavar="DIR", help="cases of photo_render.py")
    recipe.add_argument("--start-from", type=Path, metavar="ONNX", help="a network that is trained on")
    recipe.add_argument("--bank-size", type=int, metavar="N", help="photos to draw before")
    recipe.add_argument("--steps", type=int, metavar="N")
    recipe.add_argument("--minutes", type=float, metavar="M", help="end after this time even so")
    recipe.add_argument("--batch", type=int, metavar="N", help="crops per step")
    recipe.add_argument("--rate", type=float, metavar="R", help="learning rate")
    add_seed(recipe, None)
    recipe.add_argument("--device", choices=["auto", "cpu", "cuda"], help="cpu trains in two processes")
    recipe.add_argument("--workers", type=int, metavar="N", help="processes that draw crops for a GPU")


_RECIPE = (
    "renders", "start_from", "bank_size", "steps", "minutes", "batch", "rate", "seed", "device", "workers",
)  # fmt: skip

_LEAST = {"bank_size": 1, "steps": 1, "minutes": 0.01, "batch": 1, "rate": 0, "workers": 0}


def run_train(options: argparse.Namespace) -> dict[str, Any]:
    """Run ``train``: an action of ToothSeg, or a model that ships."""
    if options.model == "teethdreamer":
        return run_teethdreamer(options)
    if getattr(options, "action", None):
        from teethscape.cli_segmenter_run import run_action

        return run_action(options)
    for name in ("output", "source"):
        if getattr(options, name) is None:
            words = f"train {options.model} needs --{name}."
            raise UsageError("usage", words, "See: teethscape train --help")
    for path in (options.source, getattr(options, "renders", None), getattr(options, "start_from", None)):
        if path is not None and not path.exists():
            raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.")
    if options.model == "prior":
        return {"written": str(_prior(options.source, options.output))}
    require_least(options, _LEAST)
    recipe = {name: getattr(options, name) for name in _RECIPE}
    given = {name: value for name, value in recipe.items() if value is not None}
    return {"written": str(_segmenter(options.source, options.output, given))}


def _prior(source: Path, output: Path) -> Path:
    from teethscape.parametric.train_prior import train_prior

    return train_prior(source, output, PlainProgress("Training the tooth prior"))


def _segmenter(source: Path, output: Path, recipe: dict[str, Any]) -> Path:
    require_torch("Training")
    from teethscape.segmentation.toothseg.training import choose_device
    from teethscape.segmentation.train_recipe import SegmenterTraining
    from teethscape.segmentation.train_segmenter import train_segmenter

    cases = tuple(sorted(p.parent for p in source.glob("*/labels") if (p.parent / "photos").is_dir()))
    if not cases:
        raise BadInputError(
            "no_labelled_cases",
            f"{source} holds no labelled cases.",
            "Each case is a folder with photos/ and labels/.",
        )
    if "device" in recipe:
        recipe = {**recipe, "device": choose_device(recipe["device"]).type}
    return train_segmenter(SegmenterTraining(cases, output.parent / "bank", output, **recipe))
