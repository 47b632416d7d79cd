"""Random training crops from real, rendered and drawn photos, one by one or by loading processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from teethscape.segmentation.train_augment import Placement, augment, random_placement
from teethscape.segmentation.train_parallel import rank
from teethscape.segmentation.train_photos import (
    TrainingPhoto,
    bank_photo,
    negative_photo,
    read_case,
    rendered_photo,
    rendered_photos,
)
from teethscape.segmentation.train_recipe import SegmenterTraining
from teethscape.segmentation.train_targets import TargetBatch, make_target


class Sampler:
    """Draws augmented crops; the bank may grow meanwhile.

    Args:
        training: what to draw from.
        stream: numbers that no other sampler of this training has.
    """

    def __init__(self, training: SegmenterTraining, *stream: int) -> None:
        self._training = training
        self._real = [photo for case in training.cases for photo in read_case(case)]
        self._rendered = rendered_photos(training.renders) if training.renders else []
        self._rng = np.random.default_rng((training.seed, *stream))
        self._bank: list[Path] = []
        self._drawn = 0

    def _photo(self) -> TrainingPhoto:
        """A photo from one of the four sources."""
        share = self._training
        draw = self._rng.random() - share.negative_share
        if draw < 0:
            return negative_photo(self._rng)
        if draw < share.real_share or not self._bank:
            return self._real[int(self._rng.integers(len(self._real)))]
        if self._rendered and draw < share.real_share + share.rendered_share:
            return rendered_photo(self._rendered[int(self._rng.integers(len(self._rendered)))])
        return bank_photo(self._bank[int(self._rng.integers(len(self._bank)))])

    def batch(self) -> tuple[Tensor, TargetBatch]:
        """Pictures (n, 3, h, w) uint8 and their targets."""
        if self._drawn % 100 == 0:
            self._bank = [
                p for p in sorted(self._training.bank.glob("*.jpg")) if p.with_suffix(".png").exists()
            ]
        self._drawn += 1
        pictures, targets = [], []
        for _ in range(self._training.batch):
            place: Placement = random_placement(self._rng)
            crop = augment(self._photo(), place, self._rng)
            pictures.append(crop.pixels)
            targets.append(make_target(crop, place.turned, place.whole))
        images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        return images.contiguous(memory_format=torch.channels_last), TargetBatch.stack(targets)


class Batches(IterableDataset[tuple[Tensor, TargetBatch]]):
    """Endless batches, each loading process with its own stream."""

    def __init__(self, training: SegmenterTraining, start: int) -> None:
        self._training, self._start = training, start

    def __iter__(self) -> Iterator[tuple[Tensor, TargetBatch]]:
        """Draw batches for ever."""
        info = get_worker_info()
        if info is not None:
            cv2.setNumThreads(1)
        sampler = Sampler(self._training, self._start, rank(), info.id if info else 0)
        while True:
            yield sampler.batch()
