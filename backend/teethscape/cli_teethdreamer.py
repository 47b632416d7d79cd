"""``teethscape train teethdreamer``: the networks of the teethdreamer engine on rendered jaws."""

from __future__ import annotations

import argparse
from math import isfinite
from pathlib import Path
from typing import Any

from teethscape.cli_options import add_seed
from teethscape.cli_progress import PlainProgress
from teethscape.diffusion.train_settings import Places, Settings, Strategy
from teethscape.errors import BadInputError, UsageError
from teethscape.libraries import require_full

_ADD_PATHS = (
    ("--fine-tune", "TeethDreamer as safetensors to go on from"),
    ("--zero123", "zero123-xl as safetensors to begin with (needs --clip)"),
    ("--clip", "ViT-L-14 as safetensors"),
)


def add_teethdreamer(models: Any) -> None:
    """Declare the model on the parser of ``train``."""
    parser = models.add_parser(
        "teethdreamer", help="the multi-view diffusion, on a data set in TeethDreamer's layout; resumes"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="holds mv-splits.pkl")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the training")
    for name, words in _ADD_PATHS:
        parser.add_argument(name, type=Path, metavar="FILE", help=words)
    defaults = Settings()
    parser.add_argument("--steps", type=int, default=defaults.steps, metavar="N")
    parser.add_argument("--batch", type=int, default=defaults.batch, metavar="N", help="jaws per step")
    parser.add_argument("--accumulate", type=int, default=1, metavar="N", help="cut a batch into N parts")
    parser.add_argument("--rate", type=float, default=defaults.rate, metavar="R")
    parser.add_argument("--precision", choices=["fp32", "fp16", "bf16"], default="fp32")
    parser.add_argument("--checkpointing", action="store_true", help="less memory, more time")
    parser.add_argument(
        "--ema", type=float, default=0.0, metavar="SHARE", help="smoothed weights, e.g. 0.9999"
    )
    parser.add_argument("--clip-gradients", type=float, default=0.0, metavar="LENGTH")
    parser.add_argument("--hide-conditions", action="store_true", help="hide parts of the condition at times")
    parser.add_argument(
        "--background", choices=["white", "black"], default="white", help="as published: white"
    )
    words = "learn the body of the UNet too, which the published training keeps as it is"
    parser.add_argument("--train-unet", action="store_true", help=words)
    add_seed(parser, defaults.seed)
    parser.add_argument("--tiny", action="store_true", help="smallest sizes, to try it on a CPU")
    _add_run(parser)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument(
        *("--strategy",), choices=[s.value for s in Strategy], default=Strategy.DDP.value,
        help="of several processes: copies of everything, or a part of the optimiser for each (ddp)",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="processes that read pictures")
    parser.add_argument("--save-every", type=int, default=200, metavar="STEPS")
    parser.add_argument("--validate-every", type=int, default=1000, metavar="STEPS", help="0: never")
    parser.add_argument("--validate-steps", type=int, default=20, metavar="N", help="of the sampling")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run_teethdreamer(options: argparse.Namespace) -> dict[str, Any]:
    """Run the training.

    Raises:
        UsageError: options contradict each other.
        MissingComponentError: the full profile is not installed.
    """
    require_full("Training the networks", "accelerate")
    places, settings = _places(options), _settings(options)
    from teethscape.diffusion.train_run import train

    return train(places, settings, PlainProgress("Training"))


def _places(options: argparse.Namespace) -> Places:
    if (options.zero123 is None) != (options.clip is None):
        raise UsageError("usage", "--zero123 and --clip belong together.", "Give both.")
    if options.fine_tune is not None and options.zero123 is not None:
        raise UsageError("usage", "--fine-tune and --zero123 exclude each other.", "Give one.")
    if not options.data.is_dir():
        raise BadInputError("folder_missing", f"{options.data} is no folder.", "Check the path.")
    return Places(
        options.data, options.output, options.fine_tune, options.zero123, options.clip,
        options.save_every, options.validate_every, options.validate_steps, options.workers, options.device,
        Strategy(options.strategy),
    )  # fmt: skip


def _settings(options: argparse.Namespace) -> Settings:
    _check_counts(options)
    _check_numbers(options)
    return Settings(
        options.steps, options.batch, options.accumulate, options.rate,
        "no" if options.precision == "fp32" else options.precision,
        options.checkpointing, options.ema, options.clip_gradients, options.hide_conditions,
        options.train_unet,
        1.0 if options.background == "white" else 0.0, options.seed, options.tiny,
    )  # fmt: skip


def _check_counts(options: argparse.Namespace) -> None:
    from teethscape.diffusion.schedule import MOST_STEPS

    for name in ("steps", "batch", "accumulate", "save_every"):
        _require(getattr(options, name) >= 1, name, "1 or more")
    for name in ("workers", "validate_every"):
        _require(getattr(options, name) >= 0, name, "0 or more")
    if options.validate_every:
        _require(2 <= options.validate_steps <= MOST_STEPS, "validate_steps", f"2 to {MOST_STEPS}")


def _check_numbers(options: argparse.Namespace) -> None:
    _require(isfinite(options.rate) and options.rate > 0, "rate", "a number above 0")
    _require(0 <= options.ema < 1, "ema", "0 or more and below 1")
    clip = options.clip_gradients
    _require(isfinite(clip) and clip >= 0, "clip_gradients", "0 or a number above it")


def _require(fits: bool, name: str, words: str) -> None:
    if not fits:
        hint = "See: teethscape train teethdreamer --help"
        raise UsageError("usage", f"--{name.replace('_', '-')} must be {words}.", hint)
