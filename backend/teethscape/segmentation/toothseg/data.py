"""Pictures as tensors for training (needs torch)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from teethscape.segmentation.toothseg.augment import FINE_TUNING, PRETRAINING, moved
from teethscape.segmentation.toothseg.classes import Classes
from teethscape.segmentation.toothseg.index import Item
from teethscape.segmentation.toothseg.masking import BlockMasking, Perturbation, block_mask, perturbed
from teethscape.segmentation.toothseg.pictures import (
    Size,
    labelled_picture,
    normalised,
    planes_of,
    unlabelled_picture,
)
from teethscape.segmentation.toothseg.training import Place, numpy_rng, python_rng

#: Memory for decoded pictures, bytes; beyond it files are decoded again each time.
_CACHE_BYTES = 1_500_000_000


class _Cache:
    """Decoded pictures, as many as fit."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[NDArray, ...]] = {}
        self._bytes = 0

    def get(self, key: int, make: Callable[[], tuple[NDArray, ...]]) -> tuple[NDArray, ...]:
        """What was kept, or what is made now."""
        if key in self._kept:
            return self._kept[key]
        made = make()
        self._bytes += sum(array.nbytes for array in made)
        if self._bytes < _CACHE_BYTES:
            self._kept[key] = made
        return made


@dataclass(frozen=True)
class Reconstruction:
    """What pre-training shows.

    Attributes:
        size: height and width, px.
        channels: 1 grey or 3 RGB.
        masking: blocks.
        ways: how pictures are spoiled; blocks are hidden only when they are among them.
        seed: of motions, blocks and noise.
    """

    size: Size
    channels: int
    masking: BlockMasking
    ways: tuple[Perturbation, ...]
    seed: int


class ReconstructionData(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Spoiled picture, whole picture (c, h, w) and mask (1, h, w) of each unlabelled item."""

    def __init__(self, items: Sequence[Item], settings: Reconstruction) -> None:
        self._items, self._settings, self._cache = items, settings, _Cache()

    def __getitem__(self, place: Place) -> tuple[Tensor, Tensor, Tensor]:
        settings = self._settings
        item = self._items[place[1]]
        load = partial(_alone, item, settings)
        rng = numpy_rng(settings.seed, place)
        (picture,) = moved(self._cache.get(place[1], load), PRETRAINING, rng)
        whole = np.asarray(picture / 255, np.float32)
        shown = normalised(perturbed(whole, settings.ways, rng))
        mask = np.zeros(settings.size, np.float32)
        if Perturbation.BLOCKS in settings.ways:
            mask = block_mask(settings.size, settings.masking, python_rng(settings.seed, place)).astype(
                np.float32
            )
        shown = shown * (1 - mask)  # hidden pixels become mid-grey
        return torch.from_numpy(shown), torch.from_numpy(normalised(whole)), torch.from_numpy(mask[None])


def _alone(item: Item, settings: Reconstruction) -> tuple[NDArray]:
    return (unlabelled_picture(item, settings.size, settings.channels),)


@dataclass(frozen=True)
class Labelling:
    """What fine-tuning shows.

    Attributes:
        size: height and width, px.
        channels: 1 grey or 3 RGB.
        classes: planes of the truth.
        seed: of the motions.
        augment: move pictures at random; off for choosing and testing.
    """

    size: Size
    channels: int
    classes: Classes
    seed: int
    augment: bool


class LabelledData(Dataset[tuple[Tensor, Tensor]]):
    """Picture (c, h, w) and truth (planes, h, w) of each labelled item."""

    def __init__(self, items: Sequence[Item], settings: Labelling) -> None:
        self._items, self._settings, self._cache = items, settings, _Cache()

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: Place) -> tuple[Tensor, Tensor]:
        settings = self._settings
        item = self._items[place[1]]
        load = partial(labelled_picture, item, settings.size, settings.channels, settings.classes)
        images = self._cache.get(place[1], load)
        if settings.augment:
            images = moved(images, FINE_TUNING, numpy_rng(settings.seed, place))
        picture = normalised(images[0].astype(np.float32) / 255)
        return torch.from_numpy(picture), torch.from_numpy(planes_of(images[1], settings.classes))
