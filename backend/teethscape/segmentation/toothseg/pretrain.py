"""Pre-training on pictures without labels: masked image modelling or full-image reconstruction (needs torch).

Spec, sections 2 and 3.  Both hide blocks; masked modelling scores the hidden pixels
alone, full-image reconstruction all of them, and may spoil pictures in other ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from teethscape.segmentation.toothseg.card import Card
from teethscape.segmentation.toothseg.checkpoints import save
from teethscape.segmentation.toothseg.data import Reconstruction, ReconstructionData
from teethscape.segmentation.toothseg.headers import require_pictures
from teethscape.segmentation.toothseg.index import Item, checked
from teethscape.segmentation.toothseg.losses import masked_l1
from teethscape.segmentation.toothseg.masking import BlockMasking, Perturbation
from teethscape.segmentation.toothseg.networks import UNet2D
from teethscape.segmentation.toothseg.pictures import Size
from teethscape.segmentation.toothseg.running import Report, Running, Start, begin
from teethscape.segmentation.toothseg.spec import NetworkSpec
from teethscape.segmentation.toothseg.training import Journal, Optimising, batches


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


def pretrain(settings: Pretraining, report: Report) -> dict[str, Any]:
    """Pre-train and return what was reached: checkpoint, epochs, losses.

    Raises:
        BadInputError: pictures or checkpoints cannot be used; a mask is among the pictures.
    """
    items = checked(settings.items)
    require_pictures(items)
    resume = settings.latest if settings.resume else None
    start = Start(resume, settings.init_from, keep_head=True, remembers=settings.describe())
    run = begin(settings.network, settings.optimising, start)
    data = ReconstructionData(
        items,
        Reconstruction(
            settings.size, settings.network.inputs, settings.masking, settings.ways, settings.optimising.seed
        ),
    )
    journal = Journal(settings.log_dir or settings.folder / "runs")
    while run.progress.epoch < settings.optimising.epochs:
        loader = batches(data, len(items), settings.optimising, run.progress.epoch)
        loss = run.epoch(loader, partial(_loss, settings.method, run.network), journal, report)
        _finish_epoch(run, settings, loss)
        journal.write(run.progress.epoch, {"train/epoch_loss": loss})
    journal.close()
    return {
        "checkpoint": str(settings.best),
        "epochs": run.progress.epoch,
        "pictures": len(items),
        "transferred": len(run.transferred),
        "losses": [record["loss"] for record in run.progress.history],
    }


def reconstruction_loss(method: Method, predicted: Tensor, whole: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error over the hidden pixels (MIM) or over all of them."""
    return masked_l1(predicted, whole, mask) if method is Method.MIM else (predicted - whole).abs().mean()


def _loss(method: Method, network: UNet2D, batch: list[Tensor]) -> Tensor:
    """Loss of a batch: shown and whole pictures, and what is hidden."""
    shown, whole, mask = batch
    return reconstruction_loss(method, network(shown), whole, mask)


def _finish_epoch(run: Running, settings: Pretraining, loss: float) -> None:
    progress = run.progress
    progress.epoch += 1
    progress.history.append({"loss": loss})
    better = progress.best is None or loss < progress.best
    progress.best = loss if better else progress.best
    content = run.checkpoint(settings.describe())
    if better:
        save(settings.best, content)
    save(settings.latest, content)


def reconstruct(
    network: nn.Module, data: ReconstructionData, count: int
) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Whole and shown picture (c, h, w), what is hidden (1, h, w), and reconstruction of the first items."""
    network.eval()
    shown = [data[0, k] for k in range(count)]
    with torch.no_grad():
        device = next(network.parameters()).device
        return [
            (whole, part, hidden, network(part[None].to(device))[0].cpu()) for part, whole, hidden in shown
        ]
