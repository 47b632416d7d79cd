"""Options of painted views: the same for ``generate`` and for ``reconstruct --engine teethdreamer``."""

from __future__ import annotations

import argparse
from pathlib import Path

from teethscape.dental.wishes import PREVIEW_STEPS, Backdrop, MemoryMode, Precision, ViewWishes

_USUAL = ViewWishes()


def add_painting(options: argparse._ActionsContainer) -> None:
    """Declare what views are painted with, and how, on a parser or a group of one."""
    options.add_argument(
        "--weights", type=Path, metavar="FILE", help="safetensors; default: the installed ones"
    )
    steps = options.add_mutually_exclusive_group()
    steps.add_argument("--steps", type=int, metavar="N", help=f"of the sampling ({_USUAL.steps})")
    steps.add_argument("--preview", action="store_true", help=f"{PREVIEW_STEPS} steps, to see where it goes")
    options.add_argument(
        *("--background",), choices=[b.value for b in Backdrop], default=_USUAL.background.value,
        help="behind the teeth: published pictures are black, published training was white (as-given)",
    )  # fmt: skip
    options.add_argument(
        *("--repaint",), type=int, default=_USUAL.repaint, metavar="N",
        help=f"paint views that disagree with the fitted teeth again, up to N times ({_USUAL.repaint})",
    )  # fmt: skip
    options.add_argument(
        *("--precision",), choices=[p.value for p in Precision], default=_USUAL.precision.value,
        help="of the networks that paint: auto is fp16 on an NVIDIA card, else fp32",
    )  # fmt: skip
    options.add_argument(
        *("--memory",), choices=[m.value for m in MemoryMode], default=_USUAL.memory.value,
        help="auto fits the work to the free memory, small takes the least",
    )  # fmt: skip


def painting_of(options: argparse.Namespace) -> ViewWishes:
    """Wishes of these options alone."""
    steps = _USUAL.steps if options.steps is None else options.steps
    return ViewWishes(
        options.weights,
        PREVIEW_STEPS if options.preview else steps,
        max(options.repaint, 0),
        background=Backdrop(options.background),
        precision=Precision(options.precision),
        memory=MemoryMode(options.memory),
    )
