"""``teethscape train segmenter``: train the segmentation network and write it as ONNX."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from teethscape.dataset.photo_bank import fill_bank
from teethscape.parametric.prior import load_prior
from teethscape.segmentation.train_augment import Placement, augment, random_placement
from teethscape.segmentation.train_export import export_network
from teethscape.segmentation.train_network import SegmentationNetwork
from teethscape.segmentation.train_parallel import average_gradients, in_processes, rank
from teethscape.segmentation.train_photos import TrainingPhoto, bank_photo, negative_photo, read_case
from teethscape.segmentation.train_targets import TargetBatch, loss, make_target

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmenterTraining:
    """How to train the segmenter.

    Attributes:
        cases: folders of labelled real cases (``photos/`` and ``labels/``).
        bank: folder of synthetic photos, filled on demand.
        output: ONNX file to write; the checkpoint lies beside it as ``.pt``.
        bank_size: synthetic photos to draw before training.
        steps: last step; a checkpoint with fewer is resumed, and the rate falls to zero over the last part.
        batch: crops per step.
        rate: learning rate of AdamW.
        real_share: share of crops from real photos.
        negative_share: share of pictures without teeth.
        cooldown: share of the steps over which the rate falls.
        seed: of everything random.
        processes: training processes; each draws ``batch`` crops per step.
    """

    cases: tuple[Path, ...]
    bank: Path
    output: Path
    bank_size: int = 320
    steps: int = 2400
    batch: int = 4
    rate: float = 2e-3
    real_share: float = 0.4
    negative_share: float = 0.06
    cooldown: float = 0.3
    seed: int = 0
    processes: int = 2


@dataclass
class _State:
    """What a checkpoint holds."""

    network: SegmentationNetwork
    average: SegmentationNetwork
    optimiser: torch.optim.AdamW
    step: int = 0

    def save(self, path: Path) -> None:
        """Write atomically."""
        part = path.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
            },
            part,
        )
        part.replace(path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        data = torch.load(path, weights_only=True)
        self.network.load_state_dict(data["network"])
        self.average.load_state_dict(data["average"])
        self.optimiser.load_state_dict(data["optimiser"])
        self.step = int(data["step"])


def _start(training: SegmenterTraining) -> _State:
    """Fresh or resumed networks and optimiser."""
    torch.manual_seed(training.seed)
    network = SegmentationNetwork().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (torch stubs)
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=training.rate, weight_decay=0.01)
    state = _State(network, average, optimiser)
    checkpoint = training.output.with_suffix(".pt")
    if checkpoint.exists():
        state.load(checkpoint)
        log.info("Resumed at step %d", state.step)
    return state


class Sampler:
    """Draws augmented crops; the bank may grow meanwhile."""

    def __init__(self, training: SegmenterTraining, start: int) -> None:
        self._training = training
        self._real = [photo for case in training.cases for photo in read_case(case)]
        self._rng = np.random.default_rng((training.seed, start, rank()))
        self._bank: list[Path] = []
        self._drawn = 0

    def _photo(self) -> TrainingPhoto:
        """A photo from one of the three sources."""
        draw = self._rng.random()
        if draw < self._training.negative_share:
            return negative_photo(self._rng)
        if draw < self._training.negative_share + self._training.real_share or not self._bank:
            return self._real[int(self._rng.integers(len(self._real)))]
        return bank_photo(self._bank[int(self._rng.integers(len(self._bank)))])

    def batch(self) -> tuple[Tensor, TargetBatch]:
        """Pictures (n, 3, h, w) in [0, 1] and their targets."""
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
        images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
        return images.contiguous(memory_format=torch.channels_last), TargetBatch.stack(targets)


def learning_rate(training: SegmenterTraining, step: int) -> float:
    """Short warm-up, constant, then linear to zero over the cool-down."""
    warm = min(1.0, (step + 1) / 200)
    left = (training.steps - step) / max(training.cooldown * training.steps, 1)
    return training.rate * warm * float(np.clip(left, 0.0, 1.0))


def _average_weights(average: torch.nn.Module, network: torch.nn.Module, step: int) -> None:
    """Exponential moving average of weights and batch statistics, in place."""
    keep = min(0.998, (1 + step) / (20 + step))
    with torch.no_grad():
        ours, theirs = average.state_dict(), network.state_dict()
        for name, value in ours.items():
            if value.dtype.is_floating_point:
                value.lerp_(theirs[name], 1 - keep)
            else:
                value.copy_(theirs[name])


def _steps(state: _State, training: SegmenterTraining) -> Iterator[float]:
    """Train step by step, yielding each loss."""
    sampler = Sampler(training, state.step)
    state.network.train()
    while state.step < training.steps:
        for group in state.optimiser.param_groups:
            group["lr"] = learning_rate(training, state.step)
        images, targets = sampler.batch()
        with torch.autocast("cpu", torch.bfloat16):
            outputs = state.network(images)
        value = loss(outputs, targets)
        state.optimiser.zero_grad(set_to_none=True)
        value.backward()
        average_gradients(state.network)
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), 5.0)
        state.optimiser.step()
        _average_weights(state.average, state.network, state.step)
        state.step += 1
        yield float(value.detach())


def _train(training: SegmenterTraining) -> None:
    """The work of one process; number 0 writes."""
    state = _start(training)
    checkpoint = training.output.with_suffix(".pt")
    began, recent = time.monotonic(), []
    for value in _steps(state, training):
        recent.append(value)
        if state.step % 100 == 0 and rank() == 0:
            state.save(checkpoint)
            seconds = (time.monotonic() - began) / len(recent)
            log.info("step %d loss %.4f %.2f s/step", state.step, float(np.mean(recent[-100:])), seconds)
    if rank() == 0:
        state.save(checkpoint)
        export_network(state.average, training.output)


def train_segmenter(training: SegmenterTraining) -> Path:
    """Train (or resume) and write the ONNX file; returns its path.

    Saves a checkpoint every 100 steps, so it may be stopped and started at will.
    """
    training.output.parent.mkdir(parents=True, exist_ok=True)
    fill_bank(training.bank, load_prior(), training.bank_size, training.seed)
    in_processes(training.processes, partial(_train, training))
    return training.output
