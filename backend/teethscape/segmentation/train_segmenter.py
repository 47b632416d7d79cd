"""``teethscape train segmenter``: train the segmentation network and write it as ONNX."""

from __future__ import annotations

import copy
import logging
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from teethscape.dataset.photo_bank import fill_bank, in_bank
from teethscape.dental.files import storage_errors
from teethscape.parametric.prior import load_prior
from teethscape.segmentation.train_export import export_network
from teethscape.segmentation.train_network import SegmentationNetwork
from teethscape.segmentation.train_parallel import average_gradients, in_processes, largest, rank
from teethscape.segmentation.train_recipe import SegmenterTraining, learning_rate
from teethscape.segmentation.train_sampler import Batches, Sampler
from teethscape.segmentation.train_start import load_export, read_export
from teethscape.segmentation.train_targets import loss

log = logging.getLogger(__name__)
#: Steps over which the rate rises.
_WARM_UP = 200
#: Batches on which the statistics of a network to begin with are taken, and their stream of random numbers.
_FIRST_BATCHES, _FIRST_STREAM = 20, 1_000_003


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
        data = torch.load(path, weights_only=True, map_location="cpu")
        self.network.load_state_dict(data["network"])
        self.average.load_state_dict(data["average"])
        self.optimiser.load_state_dict(data["optimiser"])
        self.step = int(data["step"])


def _start(training: SegmenterTraining) -> _State:
    """Fresh or resumed networks and optimiser."""
    torch.manual_seed(training.seed)
    network = SegmentationNetwork()
    checkpoint = training.output.with_suffix(".pt")
    if training.start_from is not None and not checkpoint.exists():
        sampler = Sampler(training, _FIRST_STREAM)
        pictures = (sampler.batch()[0] for _ in range(_FIRST_BATCHES))
        load_export(network, read_export(training.start_from), pictures)
    network = network.to(training.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (torch stubs)
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=training.rate, weight_decay=0.01)
    state = _State(network, average, optimiser)
    if checkpoint.exists():
        state.load(checkpoint)
        log.info("Resumed at step %d", state.step)
    return state


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
    device, began = torch.device(training.device), time.monotonic()
    loading = (
        {"num_workers": training.workers, "multiprocessing_context": "spawn"} if training.workers else {}
    )
    batches = iter(DataLoader(Batches(training, state.step), batch_size=None, **loading))
    state.network.train()
    done = state.step / training.steps
    while done < 1:
        for group in state.optimiser.param_groups:
            group["lr"] = learning_rate(training, done) * min(1.0, (state.step + 1) / _WARM_UP)
        images, targets = next(batches)
        with torch.autocast(device.type, torch.bfloat16):
            outputs = state.network(images.to(device, non_blocking=True).float() / 255)
        value = loss(outputs, targets.to(device))
        state.optimiser.zero_grad(set_to_none=True)
        value.backward()
        average_gradients(state.network)
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), 5.0)
        state.optimiser.step()
        _average_weights(state.average, state.network, state.step)
        state.step += 1
        done = state.step / training.steps
        if training.minutes is not None:
            done = max(done, largest((time.monotonic() - began) / (60 * training.minutes)))
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
        export_network(state.average.cpu(), training.output)


def draw_bank(training: SegmenterTraining, processes: int) -> None:
    """Fill the bank of synthetic photos in several processes, if it lacks any."""
    numbers = [n for n in range(training.bank_size) if not in_bank(training.bank, n)]
    if not numbers:
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        parts = [
            pool.submit(fill_bank, training.bank, load_prior(), numbers[k::processes], training.seed)
            for k in range(processes)
        ]
        new = sum(part.result() for part in parts)
    log.info("%d synthetic photos drawn", new)


def train_segmenter(training: SegmenterTraining) -> Path:
    """Train (or resume) and write the ONNX file; returns its path.

    Saves a checkpoint every 100 steps, so it may be stopped and started at will.
    """
    if training.start_from is not None:
        read_export(training.start_from)  # a wrong file is told before hours of drawing
    with storage_errors(training.output):
        training.output.parent.mkdir(parents=True, exist_ok=True)
    draw_bank(training, max(training.workers, training.processes))
    if torch.device(training.device).type == "cpu":
        in_processes(training.processes, partial(_train, training))
    else:
        _train(training)
    return training.output
