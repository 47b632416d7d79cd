"""Pre-training on pictures without labels: masked image modelling or full-image reconstruction (needs torch).

Spec, sections 2 and 3.  Both hide blocks; masked modelling scores the hidden pixels
alone, full-image reconstruction all of them, and may spoil pictures in other ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from teethscape.segmentation.toothseg.checkpoints import (
    Card,
    read_checkpoint,
    save,
    transfer,
    weights_of,
)
from teethscape.segmentation.toothseg.data import Reconstruction, ReconstructionData
from teethscape.segmentation.toothseg.index import Item, checked
from teethscape.segmentation.toothseg.losses import masked_l1
from teethscape.segmentation.toothseg.masking import BlockMasking, Perturbation
from teethscape.segmentation.toothseg.networks import UNet2D, build
from teethscape.segmentation.toothseg.pictures import Size
from teethscape.segmentation.toothseg.spec import NetworkSpec
from teethscape.segmentation.toothseg.training import (
    Journal,
    Optimising,
    Progress,
    batches,
    choose_device,
    optimiser_of,
    seed_everything,
)

Report = Callable[[float, str], None]


class Method(str, Enum):
    """What the loss looks at: hidden pixels, or all."""

    MIM = "mim"
    FULL = "fullimage"

    __str__ = str.__str__


@dataclass(frozen=True)
class Pretraining:
    """How to pre-train.

    Attributes:
        items: pictures; their masks are never opened.
        folder: for ``{method}_latest.pth`` after each epoch and ``{method}_best.pth`` at the lowest loss.
        method: which loss.
        network: as many outputs as inputs.
        size: height and width of what the network sees, px.
        masking: blocks.
        ways: how pictures are spoiled.
        optimising: steps.
        init_from: checkpoint to start from; what fits is taken.
        resume: go on from ``{method}_latest.pth`` where it is.
        log_dir: folder of the journal.
    """

    items: Sequence[Item]
    folder: Path
    method: Method = Method.MIM
    network: NetworkSpec = field(default_factory=NetworkSpec)
    size: Size = (224, 320)
    masking: BlockMasking = field(default_factory=BlockMasking)
    ways: tuple[Perturbation, ...] = (Perturbation.BLOCKS,)
    optimising: Optimising = field(default_factory=Optimising)
    init_from: Path | None = None
    resume: bool = False
    log_dir: Path | None = None

    @property
    def latest(self) -> Path:
        """Checkpoint of the last epoch."""
        return self.folder / f"{self.method}_latest.pth"

    @property
    def best(self) -> Path:
        """Checkpoint of the epoch with the lowest loss."""
        return self.folder / f"{self.method}_best.pth"

    def describe(self) -> dict[str, Any]:
        """What a checkpoint remembers of the settings."""
        return {
            "method": self.method.value,
            **Card(self.network, self.size, "pictures").to_json(),
            "pictures": len(self.items),
            "mask_ratio": self.masking.ratio,
            "perturbations": [way.value for way in self.ways],
            "seed": self.optimising.seed,
        }


@dataclass
class _Run:
    """A pre-training under way."""

    settings: Pretraining
    network: UNet2D
    optimiser: torch.optim.Adam
    device: torch.device
    progress: Progress = field(default_factory=Progress)
    transferred: int = 0

    def save(self, path: Path) -> None:
        """Write a checkpoint in the published form; ours holds more."""
        content = {
            "model_state_dict": self.network.state_dict(),
            "optimizer_state_dict": self.optimiser.state_dict(),
        }
        save(path, {**content, **self.progress.to_json(), "args": self.settings.describe()})


def pretrain(settings: Pretraining, report: Report) -> dict[str, Any]:
    """Pre-train and return what was reached: checkpoint, epochs, losses.

    Raises:
        BadInputError: pictures or checkpoints cannot be used; a mask is among the pictures.
    """
    items = checked(settings.items)
    run = _start(settings)
    data = ReconstructionData(
        items,
        Reconstruction(
            settings.size, settings.network.inputs, settings.masking, settings.ways, settings.optimising.seed
        ),
    )
    journal = Journal(settings.log_dir or settings.folder / "runs")
    while run.progress.epoch < settings.optimising.epochs:
        loss = _epoch(run, data, len(items), journal, report)
        _finish_epoch(run, loss)
        journal.write(run.progress.epoch, {"train/epoch_loss": loss})
    journal.close()
    return {
        "checkpoint": str(settings.best),
        "epochs": run.progress.epoch,
        "pictures": len(items),
        "transferred": run.transferred,
        "losses": [record["loss"] for record in run.progress.history],
    }


def _start(settings: Pretraining) -> _Run:
    """Fresh, initialised or resumed."""
    seed_everything(settings.optimising.seed)
    device = choose_device(settings.optimising.device)
    network = build(settings.network).to(device)
    run = _Run(settings, network, optimiser_of(network, settings.optimising), device)
    if settings.resume and settings.latest.is_file():
        content = read_checkpoint(settings.latest)
        network.load_state_dict(weights_of(content))
        run.optimiser.load_state_dict(content["optimizer_state_dict"])
        run.progress = Progress.from_json(content)
    elif settings.init_from is not None:
        state = weights_of(read_checkpoint(settings.init_from))
        run.transferred = len(transfer(network, state, keep_head=True).loaded)
    return run


def reconstruction_loss(method: Method, predicted: Tensor, whole: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error over the hidden pixels (MIM) or over all of them."""
    return masked_l1(predicted, whole, mask) if method is Method.MIM else (predicted - whole).abs().mean()


def _epoch(run: _Run, data: ReconstructionData, count: int, journal: Journal, report: Report) -> float:
    """One pass; returns the mean loss of its steps."""
    settings, epoch = run.settings, run.progress.epoch
    loader = batches(data, count, settings.optimising, epoch)
    run.network.train()
    losses: list[float] = []
    for step, batch in enumerate(loader):
        shown, whole, mask = (tensor.to(run.device) for tensor in batch)
        loss = reconstruction_loss(settings.method, run.network(shown), whole, mask)
        take_step(run.optimiser, loss)
        losses.append(float(loss.detach()))
        share = (epoch + (step + 1) / len(loader)) / settings.optimising.epochs
        report(share, f"epoch {epoch + 1}, loss {losses[-1]:.4f}")
        if (step + 1) % settings.optimising.log_interval == 0:
            journal.write(epoch * len(loader) + step + 1, {"train/loss": losses[-1]})
    return sum(losses) / len(losses)


def take_step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the gradient."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def _finish_epoch(run: _Run, loss: float) -> None:
    progress = run.progress
    progress.epoch += 1
    progress.history.append({"loss": loss})
    better = progress.best is None or loss < progress.best
    progress.best = loss if better else progress.best
    if better:
        run.save(run.settings.best)
    run.save(run.settings.latest)


def reconstruct(
    network: nn.Module, data: ReconstructionData, count: int
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Whole, shown and reconstructed picture (c, h, w) of the first items, for looking at."""
    network.eval()
    shown = [data[0, k] for k in range(count)]
    with torch.no_grad():
        device = next(network.parameters()).device
        return [(whole, part, network(part[None].to(device))[0].cpu()) for part, whole, _ in shown]
