"""What pre-training and fine-tuning share: device, seeds, batches, journal (needs torch)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from teethscape.dental.files import storage_errors
from teethscape.errors import BadInputError, MissingComponentError

#: A place of a random draw: the epoch and the number of the picture.
Place = tuple[int, int]


@dataclass(frozen=True)
class Optimising:
    """How to take steps.

    Attributes:
        epochs: passes over the pictures.
        batch: pictures per step.
        rate: learning rate of Adam.
        weight_decay: of Adam.
        seed: of everything random.
        workers: processes that read pictures; 0 reads in this one.
        device: ``cpu`` or ``cuda``.
        log_interval: steps between two lines of the journal.
    """

    epochs: int = 1
    batch: int = 4
    rate: float = 1e-4
    weight_decay: float = 5e-5
    seed: int = 42
    workers: int = 0
    device: str = "cpu"
    log_interval: int = 50


def choose_device(name: str) -> torch.device:
    """The device that a user names; ``auto`` takes a graphics processor where there is one.

    Raises:
        MissingComponentError: CUDA was asked for and is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise MissingComponentError("cuda_missing", "PyTorch finds no CUDA device.", "Give --device cpu.")
    return torch.device(name)


def diverged(message: str, advice: str) -> BadInputError:
    """What every training stops with whose loss or weights are no numbers any more."""
    return BadInputError("training_diverged", message, advice)


def seed_everything(seed: int) -> None:
    """The same weights at the start, and the same algorithms in every run."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def numpy_rng(seed: int, place: Place) -> np.random.Generator:
    """Random numbers that depend on seed, epoch and picture alone, so that a resumed run draws the same."""
    return np.random.default_rng((seed, *place))


def python_rng(seed: int, place: Place) -> random.Random:
    """The same for Python's own generator."""
    return random.Random(f"{seed}:{place[0]}:{place[1]}")  # noqa: S311 - not a secret


class _EpochBatches(Sampler[list[Place]]):
    """Shuffled batches of one epoch."""

    def __init__(self, count: int, optimising: Optimising, epoch: int) -> None:
        order = np.random.default_rng((optimising.seed, epoch)).permutation(count)
        self._batches = [
            [(epoch, int(k)) for k in order[start : start + optimising.batch]]
            for start in range(0, count, optimising.batch)
        ]

    def __iter__(self) -> Iterator[list[Place]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


def batches(data: Dataset, count: int, optimising: Optimising, epoch: int) -> DataLoader:
    """The batches of an epoch; ``data`` is asked for `Place` s."""
    sampler = _EpochBatches(count, optimising, epoch)
    return DataLoader(
        data, batch_sampler=sampler, num_workers=optimising.workers, pin_memory=optimising.device == "cuda"
    )


@dataclass
class Progress:
    """Where a training stands; everything that a resumed run needs besides network and optimiser.

    Attributes:
        epoch: finished epochs.
        best: best score so far (a loss for pre-training, a Dice for fine-tuning).
        stale: epochs since then.
        history: one record per epoch.
    """

    epoch: int = 0
    best: float | None = None
    stale: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As values that a checkpoint may hold."""
        return {"epoch": self.epoch, "best": self.best, "stale": self.stale, "history": self.history}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Progress:
        """The inverse of `to_json`; a foreign checkpoint may know its epoch only."""
        return cls(
            int(values.get("epoch", 0)), values.get("best"), int(values.get("stale", 0)),
            list(values.get("history", [])),
        )  # fmt: skip


class Journal:
    """Losses and scores as JSON lines, and for TensorBoard where it is installed.

    Args:
        folder: where ``metrics.jsonl`` is written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "metrics.jsonl"
        with storage_errors(self._path):
            folder.mkdir(parents=True, exist_ok=True)
        self._board = _tensorboard(folder)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Add named values of a step."""
        with storage_errors(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            if self._board is not None:
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what TensorBoard still holds."""
        if self._board is not None:
            self._board.close()


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))


def optimiser_of(network: nn.Module, optimising: Optimising) -> torch.optim.Adam:
    """Adam with L2 decay, as published."""
    return torch.optim.Adam(network.parameters(), lr=optimising.rate, weight_decay=optimising.weight_decay)
