"""Train the held-out and the shipped segmentation network on one GPU at once, and measure it.

    python benchmarks/gpu_training.py --cases ../shared/cases --renders CASES --output DIR --minutes 6

The held-out network never sees case-a; ``--networks segmenter_without_case_c`` trains one that never sees
case-c, for ``clicks.py --without-case-c``.  All are trained from nothing; the result says how many crops each
saw, how fast, and the GPU memory that it took.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from bench_common import write_result

from teethscape.segmentation.train_recipe import SegmenterTraining
from teethscape.segmentation.train_segmenter import draw_bank, train_segmenter

#: Name of each network and the real cases that it may see.
NETWORKS = {
    "segmenter_without_case_a": ("case-c",),
    "segmenter": ("case-a", "case-c"),
    "segmenter_without_case_c": ("case-a",),
}


def trained(name: str, training: SegmenterTraining) -> dict[str, Any]:
    """Train one network; its weights as ONNX and as float16 tensors."""
    logging.basicConfig(level=logging.INFO, format=f"{name} %(message)s")
    began = time.monotonic()
    train_segmenter(training)
    seconds = time.monotonic() - began
    state = torch.load(training.output.with_suffix(".pt"), weights_only=True, map_location="cpu")
    halves = {k: v.half() if v.is_floating_point() else v for k, v in state["average"].items()}
    torch.save(halves, training.output.with_suffix(".half.pt"))
    return {
        "network": name,
        "cases": [case.name for case in training.cases],
        "steps": state["step"],
        "crops": state["step"] * training.batch,
        "seconds": round(seconds, 1),
        "peak_gpu_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--renders", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--bank", type=int, default=960, help="drawn photos")
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--workers", type=int, default=7, help="loading processes of each network")
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--networks", nargs="+", choices=sorted(NETWORKS), default=["segmenter_without_case_a", "segmenter"]
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipes = {
        name: SegmenterTraining(
            tuple(args.cases / case for case in cases),
            args.output / "bank",
            args.output / f"{name}.onnx",
            renders=args.renders,
            bank_size=args.bank,
            steps=1_000_000,
            minutes=args.minutes,
            batch=32,
            seed=seed,
            processes=1,
            device=args.device,
            workers=args.workers,
        )
        for seed, (name, cases) in enumerate(NETWORKS.items())
        if name in args.networks
    }
    draw_bank(next(iter(recipes.values())), 2 * args.workers + 2)
    with ProcessPoolExecutor(len(recipes), mp_context=multiprocessing.get_context("spawn")) as pool:
        rows = list(pool.map(trained, recipes, recipes.values()))
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    write_result("gpu_training", {"gpu": card, "torch": torch.__version__}, rows)


if __name__ == "__main__":
    main()
