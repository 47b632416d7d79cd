"""Run as a program: work that two processes share, or (``broken``) that the second one cannot even read."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import torch

from teethscape.segmentation.train_parallel import average_gradients, in_processes, largest, rank


class Broken:
    """Work that ends the process that unpickles it."""

    def __call__(self) -> None:
        """Never reached."""

    def __setstate__(self, _: object) -> None:
        raise ValueError("this work cannot be read")

    def __getstate__(self) -> int:
        return 1


def work(output: Path) -> None:
    """Average two gradients, one of them on both sides, and find the larger rank."""
    network = torch.nn.Linear(2, 1)
    network.weight.grad = torch.full((1, 2), float(rank() + 1))
    average_gradients(network)
    found = [*network.weight.grad.flatten().tolist(), largest(rank())]
    (output / f"{rank()}.txt").write_text(repr(found), "utf-8")


if __name__ == "__main__":
    given = sys.argv[1]
    in_processes(2, Broken() if given == "broken" else partial(work, Path(given)))
