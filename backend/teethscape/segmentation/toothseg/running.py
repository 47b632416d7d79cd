"""A training under way: begun, stepped and remembered alike by pre-training and fine-tuning (needs torch)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg.checkpoints import (
    all_finite,
    fill,
    read_checkpoint,
    transfer,
    weights_of,
)
from teethscape.segmentation.toothseg.networks import UNet2D, build
from teethscape.segmentation.toothseg.resume import resumable
from teethscape.segmentation.toothseg.spec import NetworkSpec
from teethscape.segmentation.toothseg.training import (
    Journal,
    Optimising,
    Progress,
    choose_device,
    diverged,
    optimiser_of,
    seed_everything,
)

#: Told the share that is done (0-1) and where the training stands.
Report = Callable[[float, str], None]


@dataclass
class Running:
    """A training under way.

    Attributes:
        network: what is trained.
        optimiser: its optimiser.
        device: where both are.
        optimising: steps.
        progress: epochs done and what they reached.
        transferred: names of the tensors that another checkpoint gave.
    """

    network: UNet2D
    optimiser: torch.optim.Adam
    device: torch.device
    optimising: Optimising
    progress: Progress = field(default_factory=Progress)
    transferred: tuple[str, ...] = ()

    def checkpoint(self, args: dict[str, Any]) -> dict[str, Any]:
        """What a resumed training needs, in the published form; ours holds more."""
        return {
            "model_state_dict": self.network.state_dict(),
            "optimizer_state_dict": self.optimiser.state_dict(),
            **self.progress.to_json(),
            "args": args,
        }

    def epoch(
        self, loader: DataLoader, loss_of: Callable[[list[Tensor]], Tensor], journal: Journal, report: Report
    ) -> float:
        """One pass; returns the mean loss of its steps.

        Args:
            loader: batches of the epoch.
            loss_of: loss of a batch that lies on the device.
            journal: gets the loss now and then.
            report: told after each step.

        Raises:
            BadInputError: a loss or a weight is no number any more.
        """
        epoch, losses = self.progress.epoch, []
        self.network.train()
        for step, batch in enumerate(loader):
            loss = loss_of([tensor.to(self.device) for tensor in batch])
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            losses.append(float(loss.detach()))
            _require_number(math.isfinite(losses[-1]), epoch)
            share = (epoch + (step + 1) / len(loader)) / self.optimising.epochs
            report(share, f"epoch {epoch + 1}, loss {losses[-1]:.4f}")
            if (step + 1) % self.optimising.log_interval == 0:
                journal.write(epoch * len(loader) + step + 1, {"train/loss": losses[-1]})
        _require_number(all_finite(self.network), epoch)
        return sum(losses) / len(losses)


def _require_number(finite: bool, epoch: int) -> None:
    if not finite:
        raise diverged(
            f"In epoch {epoch + 1} the loss or the weights became infinite or no numbers.",
            "Give a smaller --lr; the checkpoints of the epochs before are whole.",
        )


@dataclass(frozen=True)
class Start:
    """Where a training starts.

    Attributes:
        resume: checkpoint to go on from, where it exists.
        init_from: checkpoint whose fitting tensors are the start, without one to go on from.
        keep_head: whether the last layer is among them.
        remembers: what the training's own checkpoints remember; one to go on from must agree.
    """

    resume: Path | None
    init_from: Path | None
    keep_head: bool
    remembers: Mapping[str, Any] = field(default_factory=dict)


def begin(spec: NetworkSpec, optimising: Optimising, start: Start) -> Running:
    """A fresh, an initialised or a resumed training.

    Raises:
        BadInputError: a checkpoint cannot be used.
    """
    seed_everything(optimising.seed)
    device = choose_device(optimising.device)
    network = build(spec).to(device)
    run = Running(network, optimiser_of(network, optimising), device, optimising)
    if start.resume is not None and start.resume.is_file():
        _go_on(run, start.resume, start.remembers)
    elif start.init_from is not None:
        state = weights_of(read_checkpoint(start.init_from))
        run.transferred = transfer(network, state, start.keep_head).loaded
    return run


def _go_on(run: Running, path: Path, remembers: Mapping[str, Any]) -> None:
    """Put a training where a checkpoint left it."""
    content = resumable(path, remembers)
    fill(run.network, weights_of(content), path.name)
    try:
        run.optimiser.load_state_dict(content["optimizer_state_dict"])
        run.progress = Progress.from_json(content)
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            "resume_state",
            f"The state in {path.name} does not fit ({error}).",
            "Start from its weights with --init-from.",
        ) from error
