"""Does pre-training without labels help?  Dice of held-out photos against the number of labelled ones.

python benchmarks/toothseg_pretraining.py                                             small networks, CPU
python benchmarks/toothseg_pretraining.py --preset large --device cuda --jobs 16 --name toothseg_large

Synthetic photographs (drawn once into --bank), grey, teeth against the rest.  Every start sees the
same labelled photos and is chosen by the same validation photos.  All starts take the same number of
steps; those of --long are also given as many more as a pre-training takes ("-long"), which shows what
mere steps bring and what remains once nothing is under-trained.  Pre-training sees the photos of the
training pool without their masks, never those of validation and test.  Rows are kept in
out/NAME-work, so the same command goes on after an interruption; delete that to start anew.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_common import LOG, add_jobs, in_parallel, write_result

from teethscape.dataset.photo_bank import draw_into
from teethscape.parametric.prior import load_prior
from teethscape.segmentation.toothseg.finetune import FineTuning, fine_tune
from teethscape.segmentation.toothseg.index import Item, MaskKind
from teethscape.segmentation.toothseg.masking import BlockMasking
from teethscape.segmentation.toothseg.pretrain import Method, Pretraining, pretrain
from teethscape.segmentation.toothseg.spec import ModelType, NetworkSpec
from teethscape.segmentation.toothseg.splits import Split
from teethscape.segmentation.toothseg.training import Optimising

HERE = Path(__file__).resolve().parent
#: Pictures of one epoch of fine-tuning; few labelled ones are repeated, each time moved differently.
_EPOCH = 64
_BATCH = 4


@dataclass(frozen=True)
class Preset:
    """Sizes of the experiment; rates are the same for every start.

    Attributes:
        pool: photos that may be pre-trained on and labelled.
        held_out: further photos for choosing (a third) and testing (the rest).
        size: height and width of what the network sees, px.
        base: channels of the first level.
        blocks: sides of the hidden blocks, px.
        pretrain_epochs: passes over the pool.
        steps: of fine-tuning.
        labels: numbers of labelled photos.
    """

    pool: int
    held_out: int
    size: tuple[int, int]
    base: int
    blocks: tuple[int, int]
    pretrain_epochs: int
    steps: int
    labels: tuple[int, ...]

    @property
    def pretrain_steps(self) -> int:
        """Steps of one pre-training."""
        return self.pretrain_epochs * -(-self.pool // _BATCH)


PRESETS = {
    "small": Preset(144, 72, (64, 96), 8, (9, 28), 20, 240, (4, 16, 64)),
    "large": Preset(600, 150, (128, 192), 32, (18, 56), 20, 1200, (4, 16, 64, 256)),
}


def _draw(job: tuple[Path, int]) -> dict[str, Any]:
    """One photo of the bank; it depends on its number alone."""
    return {"new": draw_into(job[0], load_prior(), job[1], seed=0)}


def _items(bank: Path, numbers: range) -> tuple[Item, ...]:
    return tuple(
        Item(f"{n:05d}", bank / f"{n:05d}.jpg", bank / f"{n:05d}.png", MaskKind.LABELS) for n in numbers
    )


@dataclass(frozen=True)
class Experiment:
    """What all runs share."""

    preset: Preset
    bank: Path
    work: Path
    model: ModelType
    rate: float
    device: str

    @property
    def network(self) -> NetworkSpec:
        """The network of every run."""
        return NetworkSpec(self.model, base=self.preset.base)

    def optimising(self, epochs: int, seed: int) -> Optimising:
        """Steps of pre-training and of fine-tuning."""
        return Optimising(epochs, _BATCH, self.rate, 1e-5, seed, device=self.device)


def _pretraining(experiment: Experiment, method: Method, seed: int) -> Pretraining:
    preset = experiment.preset
    return Pretraining(
        _items(experiment.bank, range(preset.pool)), experiment.work / f"{method}-{seed}", method,
        experiment.network, preset.size, BlockMasking(0.55, *preset.blocks),
        optimising=experiment.optimising(preset.pretrain_epochs, seed), resume=True,
    )  # fmt: skip


def _pretrained(settings: Pretraining) -> dict[str, Any]:
    losses = pretrain(settings, lambda *_: None)["losses"]
    return {"first": losses[0], "last": losses[-1]}


def _tuned(
    experiment: Experiment, start: Path | None, labels: int, seed: int, more: int = 0
) -> dict[str, Any]:
    """Fine-tune on ``labels`` photos drawn by the seed, with ``more`` steps; returns the test scores."""
    preset = experiment.preset
    chosen = np.random.default_rng((seed, labels)).choice(preset.pool, labels, replace=False)
    pool = _items(experiment.bank, range(preset.pool))
    train = tuple(pool[int(k)] for k in chosen) * max(1, _EPOCH // labels)
    held = _items(experiment.bank, range(preset.pool, preset.pool + preset.held_out))
    parts = Split(train, held[: len(held) // 3], held[len(held) // 3 :])
    epochs = max(1, (preset.steps + more) // -(-len(train) // _BATCH))
    with tempfile.TemporaryDirectory(dir=experiment.work) as folder:
        settings = FineTuning(
            parts, Path(folder), experiment.network, preset.size,
            optimising=experiment.optimising(epochs, seed), patience=epochs, init_from=start,
        )  # fmt: skip
        result = fine_tune(settings, lambda *_: None)
    return {name: result[name] for name in ("test_dice", "test_iou", "best_val_dice", "epochs")}


class Rows:
    """What has been measured, kept on disk row by row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        self.all: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def measure(self, key: dict[str, Any], work: Callable[[], dict[str, Any]]) -> None:
        """Do some work and keep its row, unless there is one."""
        if any(key.items() <= row.items() for row in self.all):
            return
        began, wall = time.process_time(), time.monotonic()
        row = {**key, **work()}
        row |= {"cpu_s": round(time.process_time() - began, 1), "wall_s": round(time.monotonic() - wall, 1)}
        self.all.append(row)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        LOG.info("%s", row)


@dataclass(frozen=True)
class Long:
    """Which starts are fine-tuned longer, too, and with how many of the seeds."""

    starts: tuple[str, ...]
    seeds: int


def _run(experiment: Experiment, seeds: int, long: Long, rows: Rows) -> None:
    for seed in range(seeds):
        starts: dict[str, Path | None] = {"scratch": None}
        for method in Method:
            settings = _pretraining(experiment, method, seed)
            rows.measure({"seed": seed, "pretraining": method.value}, partial(_pretrained, settings))
            starts[method.value] = settings.latest
        runs = [(name, start, 0) for name, start in starts.items()]
        if seed < long.seeds:
            runs += [(f"{name}-long", starts[name], experiment.preset.pretrain_steps) for name in long.starts]
        for labels in experiment.preset.labels:
            for name, start, more in runs:
                key = {"seed": seed, "labels": labels, "start": name}
                rows.measure(key, partial(_tuned, experiment, start, labels, seed, more))


def summary_of(rows: list[dict[str, Any]], experiment: Experiment) -> dict[str, Any]:
    """Mean and standard deviation over seeds of the test Dice, per start and number of labels."""
    curve: dict[str, dict[str, Any]] = {}
    for row in rows:
        if "start" in row:
            curve.setdefault(row["start"], {}).setdefault(str(row["labels"]), []).append(row["test_dice"])
    return {
        "device": experiment.device,
        "model": experiment.model.value,
        "size": list(experiment.preset.size),
        "base_channels": experiment.preset.base,
        "unlabelled": experiment.preset.pool,
        "steps": experiment.preset.steps,
        "long_steps": experiment.preset.steps + experiment.preset.pretrain_steps,
        "dice": {
            start: {
                labels: {
                    "mean": round(float(np.mean(d)), 4),
                    "sd": round(float(np.std(d)), 4),
                    "seeds": len(d),
                }
                for labels, d in known.items()
            }
            for start, known in curve.items()
        },
        "cpu_s": round(sum(row["cpu_s"] for row in rows), 1),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--long", nargs="*", default=["scratch", "mim"], choices=("scratch", "mim", "fullimage")
    )
    parser.add_argument("--long-seeds", type=int, default=2)
    parser.add_argument("--model-type", choices=[m.value for m in ModelType], default="unet")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of every run")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--bank", type=Path, default=HERE.parent / "out" / "toothseg-bank")
    parser.add_argument("--name", default="toothseg_pretraining", help="name of the result file")
    add_jobs(parser)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.device == "cpu":
        torch.set_num_threads(1)
    preset = PRESETS[args.preset]
    args.bank.mkdir(parents=True, exist_ok=True)
    drawn = in_parallel(_draw, [(args.bank, n) for n in range(preset.pool + preset.held_out)], args.jobs)
    LOG.info("%d photos in the bank", sum(1 for _ in drawn))
    work = args.bank.parent / f"{args.name}-work"
    work.mkdir(parents=True, exist_ok=True)
    experiment = Experiment(preset, args.bank, work, ModelType(args.model_type), args.rate, args.device)
    rows = Rows(work / "rows.jsonl")
    _run(experiment, args.seeds, Long(tuple(args.long), args.long_seeds), rows)
    write_result(args.name, summary_of(rows.all, experiment), rows.all)


if __name__ == "__main__":
    main()
