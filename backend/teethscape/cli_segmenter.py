"""Options of ``teethscape train segmenter pretrain|finetune|evaluate|visualize|export|index|fbf``.

Flags and defaults are those of the published scripts where they exist (ToothSeg, seed 003).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from teethscape.cli_options import add_seed

#: Flags of every command that reads pictures with masks.
_SPLITS = ("train", "val", "test")
_MODELS = ("unet", "scag", "nac")
_CLASSES = ("teeth", "jaws", "mouth")
_KINDS = ("white", "labels", "fdi", "jaws")
_PERTURBATIONS = "blocks,noise,blur,gamma,cutout,lowres"


def add_segmenter_actions(parser: argparse.ArgumentParser) -> None:
    """Declare the actions; without one the network that ships is trained."""
    parts: Any = parser.add_subparsers(dest="action", metavar="ACTION")
    _add_pretrain(parts)
    _add_finetune(parts)
    _add_evaluate(parts)
    _add_visualize(parts)
    export = parts.add_parser("export", help="write a trained network as ONNX, to use without PyTorch")
    export.add_argument("--checkpoint", type=Path, required=True, metavar="FILE")
    export.add_argument("--output", type=Path, required=True, metavar="FILE")
    index = parts.add_parser("index", help="write the index (CSV) of a data set to look at or correct")
    _add_pictures(index, masks_needed=False)
    index.add_argument("--output", type=Path, required=True, metavar="FILE")
    _add_fbf(parts)
    for name in ("export", "index"):
        _add_json(parts.choices[name])


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_pictures(parser: argparse.ArgumentParser, masks_needed: bool = True) -> None:
    """Where the data are; masks are found by the layout where it tells them."""
    parser.add_argument(
        *("--images-dir",), type=Path, required=True, metavar="PATH",
        help="folder of pictures, of photo cases, in the STS-2D-Tooth layout, or an index (CSV)",
    )  # fmt: skip
    words = "folder of masks with the pictures' names; layouts and indexes that know theirs do not need it"
    parser.add_argument("--masks-dir", type=Path, metavar="DIR", help=words)
    if masks_needed:
        parser.add_argument("--mask-values", choices=_KINDS, help="what the masks' values mean")
        add_seed(parser, 42)


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split-json", type=Path, metavar="FILE", help="lists 'train' and 'val' of ids")
    parser.add_argument("--val-ratio", type=float, default=0.1, metavar="SHARE")
    parser.add_argument("--test-ratio", type=float, default=0.1, metavar="SHARE")


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model-type", choices=_MODELS, help="default: the checkpoint's, else unet")
    parser.add_argument("--base-channels", type=int, metavar="N", help="channels of the first level (32)")
    parser.add_argument("--no-bilinear", action="store_true", help="upsample by transposed convolutions")
    parser.add_argument("--gates", choices=("new", "old"), help="version of the skip gates (new)")
    parser.add_argument("--in-channels", type=int, choices=(1, 3), help="grey (1) or RGB pictures")
    parser.add_argument("--img-height", type=int, metavar="PX", help="224; 256 for the STS layout")
    parser.add_argument("--img-width", type=int, metavar="PX", help="320; 512 for the STS layout")


def _add_steps(parser: argparse.ArgumentParser, epochs: int, workers: Sequence[str]) -> None:
    parser.add_argument("--epochs", type=int, default=epochs, metavar="N")
    parser.add_argument("--batch-size", type=int, default=4, metavar="N")
    parser.add_argument("--lr", type=float, metavar="RATE")
    parser.add_argument("--weight-decay", type=float, metavar="W")
    parser.add_argument(*workers, type=int, default=0, metavar="N", dest="workers")
    parser.add_argument("--log-interval", type=int, default=50, metavar="STEPS")
    parser.add_argument("--init-from", type=Path, metavar="FILE", help="checkpoint to start from")
    parser.add_argument(
        "--resume", nargs="?", const=True, default=False, metavar="FILE",
        help="go on after the last finished epoch as it began; FILE, if given, is checked and copied there",
    )  # fmt: skip
    _add_device(parser)


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--cpu", action="store_true", help="the same as --device cpu")
    _add_json(parser)


def _add_pretrain(parts: Any) -> None:
    parser = parts.add_parser("pretrain", help="learn from pictures without labels")
    parser.add_argument(
        "--method", choices=("mim", "fullimage"), default="mim", help="what the loss looks at"
    )
    _add_pictures(parser, masks_needed=False)
    add_seed(parser, 42)
    parser.add_argument("--checkpoint-dir", type=Path, metavar="DIR", help="toothseg/checkpoints_METHOD")
    parser.add_argument("--log-dir", type=Path, metavar="DIR", help="DIR/runs of the checkpoints")
    _add_network(parser)
    _add_steps(parser, 1, ["--num-workers"])
    parser.add_argument("--mask-ratio", type=float, default=0.55, metavar="SHARE", help="hidden share")
    parser.add_argument("--min-block-size", type=int, default=32, metavar="PX")
    parser.add_argument("--max-block-size", type=int, default=96, metavar="PX")
    parser.add_argument(
        "--perturb", default="blocks", metavar=_PERTURBATIONS, help="how fullimage spoils pictures"
    )
    parser.add_argument("--visualize", action="store_true", help="also write samples.html")


def _add_finetune(parts: Any) -> None:
    parser = parts.add_parser(
        "finetune", help="train on labelled pictures, from a pre-trained network or anew"
    )
    _add_pictures(parser)
    _add_split(parser)
    parser.add_argument("--save-dir", type=Path, default=Path("toothseg/checkpoints_finetune"), metavar="DIR")
    parser.add_argument("--tensorboard-dir", type=Path, metavar="DIR", help="DIR/runs of the checkpoints")
    _add_network(parser)
    _add_steps(parser, 100, ["--workers"])
    parser.add_argument("--classes", choices=_CLASSES, help="what to tell apart (teeth)")
    parser.add_argument("--lambda-dice", type=float, default=0.2, metavar="W")
    parser.add_argument("--patience", type=int, default=20, metavar="EPOCHS")
    parser.add_argument("--train-subset-size", type=int, default=0, metavar="N")


def _add_evaluate(parts: Any) -> None:
    parser = parts.add_parser("evaluate", help="scores of a trained network, per picture and as a whole")
    _add_pictures(parser)
    _add_split(parser)
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE")
    _add_scoring(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="write scores.csv and summary.json")
    parser.add_argument("--predictions", type=Path, metavar="DIR", help="write the predicted label images")


def _add_visualize(parts: Any) -> None:
    parser = parts.add_parser("visualize", help="HTML report: best and worst, saliency, models side by side")
    _add_pictures(parser)
    _add_split(parser)
    parser.add_argument(
        "--checkpoint", type=Path, required=True, nargs="+", action="extend", metavar="FILE",
        help="several are compared on the same pictures",
    )  # fmt: skip
    _add_scoring(parser)
    parser.add_argument("--output", type=Path, default=Path("toothseg/report.html"), metavar="FILE")


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", choices=(*_SPLITS, "all"), default="test")
    parser.add_argument("--lambda-dice", type=float, default=0.2, metavar="W")
    parser.add_argument("--top-k", type=int, default=5, metavar="N", help="how many best and worst pictures")
    parser.add_argument("--model-type", choices=_MODELS, help="must be the checkpoint's; it is recognised")
    parser.add_argument("--base-channels", type=int, metavar="N", help="must be the checkpoint's")
    parser.add_argument("--no-bilinear", action="store_true", help="must be the checkpoint's")
    _add_device(parser)


def _add_fbf(parts: Any) -> None:
    parser = parts.add_parser("fbf", help="fast bilateral filter: less noise, edges kept")
    parser.add_argument(
        "--images-dir", type=Path, required=True, metavar="DIR", help="read with all below it"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--diameter", type=int, default=7, metavar="PX")
    parser.add_argument("--sigma-color", type=float, default=50.0, metavar="LEVELS")
    parser.add_argument("--sigma-space", type=float, default=15.0, metavar="PX")
    _add_json(parser)
