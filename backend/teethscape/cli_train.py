"""``teethscape train``: make the models that ship with the engine anew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from teethscape.cli_progress import PlainProgress
from teethscape.cli_segmenter import add_segmenter_actions
from teethscape.errors import BadInputError, MissingComponentError, UsageError


def add_train(commands: Any) -> None:
    """Declare ``train`` and its models on the parser."""
    parser = commands.add_parser(
        "train", help="make a model that ships with the engine anew, or one of your own"
    )
    models = parser.add_subparsers(dest="model", required=True, metavar="prior|segmenter")
    prior = models.add_parser("prior", help="the tooth prior from the published one")
    segmenter = models.add_parser(
        "segmenter",
        help="the network that ships (--source, --output), or your own by one of the actions",
    )
    for one in (prior, segmenter):
        words = "the published model or the labelled photos"
        one.add_argument("--source", type=Path, metavar="PATH", help=words)
        one.add_argument("--output", type=Path, metavar="FILE")
    add_segmenter_actions(segmenter)


def run_train(options: argparse.Namespace) -> dict[str, Any]:
    """Run ``train``: an action of ToothSeg, or a model that ships."""
    if getattr(options, "action", None):
        from teethscape.cli_segmenter_run import run_action

        return run_action(options)
    if options.output is None:
        raise UsageError("usage", f"train {options.model} needs --output.", "See: teethscape train --help")
    return train(options.model, options.source, options.output)


def train(model: str, source: Path | None, output: Path) -> dict[str, Any]:
    """Train one model.

    Args:
        model: ``prior`` or ``segmenter``.
        source: the published tooth prior, or a folder of labelled cases.
        output: file to write.
    """
    if source is None:
        raise UsageError("usage", f"train {model} needs --source.", "See: teethscape train --help")
    if not source.exists():
        raise BadInputError("file_missing", f"{source} does not exist.", "Check the path.")
    return {"written": str(_prior(source, output) if model == "prior" else _segmenter(source, output))}


def _prior(source: Path, output: Path) -> Path:
    from teethscape.parametric.train_prior import train_prior

    return train_prior(source, output, PlainProgress("Training the tooth prior"))


def _segmenter(source: Path, output: Path) -> Path:
    try:
        from teethscape.segmentation.train_segmenter import SegmenterTraining, train_segmenter
    except ImportError as error:
        raise MissingComponentError(
            "torch_missing",
            f"Training needs PyTorch ({error.name}).",
            "Run in the engine's environment: python -m pip install torch onnx",
        ) from error
    cases = tuple(sorted(p.parent for p in source.glob("*/labels") if (p.parent / "photos").is_dir()))
    if not cases:
        raise BadInputError(
            "no_labelled_cases",
            f"{source} holds no labelled cases.",
            "Each case is a folder with photos/ and labels/.",
        )
    return train_segmenter(SegmenterTraining(cases, output.parent / "bank", output))
