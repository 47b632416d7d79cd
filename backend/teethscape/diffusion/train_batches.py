"""Batches by the number of their step, so that a resumed training reads the same ones (needs torch)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, Dataset

from teethscape.diffusion.train_data import Sample, pick, read_sample
from teethscape.diffusion.train_settings import Settings

#: Place in the endless row of samples, and number of the jaw.
Place = tuple[int, int]


class Jaws(Dataset[Sample]):
    """Jaws of a split.

    Args:
        data: root of the layout.
        names: of the jaws.
        size: pixels of the pictures.
        settings: seed and backdrop.
    """

    def __init__(self, data: Path, names: tuple[str, ...], size: int, settings: Settings) -> None:
        self.data, self.names, self.size, self.settings = data, names, size, settings

    def __getitem__(self, place: Place) -> Sample:
        """The jaw of a place; which renders serve as photos depends on the place alone."""
        turn, jaw = place
        picked = pick(np.random.default_rng((self.settings.seed, turn)))
        return read_sample(self.data, self.names[jaw], picked, self.size, self.settings.backdrop)

    def place(self, turn: int) -> Place:
        """The jaw that comes at a place of the endless row: every epoch has an order of its own."""
        epoch, within = divmod(turn, len(self.names))
        order = np.random.default_rng((self.settings.seed, 1, epoch)).permutation(len(self.names))
        return turn, int(order[within])


class _Batches:
    """Places of this process's share of each part of each step."""

    def __init__(self, jaws: Jaws, first: int, share: tuple[int, int]) -> None:
        self._jaws, self._first, self._share = jaws, first, share

    def __iter__(self) -> Iterator[list[Place]]:
        settings, (rank, count) = self._jaws.settings, self._share
        part = settings.batch // settings.accumulate
        for start in range(self._first * settings.batch, settings.steps * settings.batch, part):
            yield [self._jaws.place(turn) for turn in range(start + rank, start + part, count)]


def _together(samples: list[Sample]) -> list[Sample]:
    return samples


def loader(jaws: Jaws, first: int, share: tuple[int, int], workers: int) -> DataLoader[Sample]:
    """The samples of this process, step by step.

    Args:
        jaws: the split.
        first: number of the step to begin with.
        share: rank of this process and number of processes.
        workers: processes that read.
    """
    batches: object = _Batches(jaws, first, share)
    return DataLoader(jaws, batch_sampler=batches, collate_fn=_together, num_workers=workers)  # type: ignore[arg-type]
