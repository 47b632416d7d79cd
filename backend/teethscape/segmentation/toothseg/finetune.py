"""Fine-tuning with labels: cross entropy plus Dice, early stopping, exact resume (needs torch).

Spec, section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from teethscape.segmentation.toothseg.checkpoints import (
    Card,
    read_checkpoint,
    save,
    transfer,
    weights_of,
)
from teethscape.segmentation.toothseg.classes import Classes, class_sets
from teethscape.segmentation.toothseg.data import LabelledData, Labelling
from teethscape.segmentation.toothseg.evaluate import Evaluation, evaluate_network
from teethscape.segmentation.toothseg.losses import segmentation_loss
from teethscape.segmentation.toothseg.networks import UNet2D, build
from teethscape.segmentation.toothseg.pictures import Size
from teethscape.segmentation.toothseg.pretrain import take_step
from teethscape.segmentation.toothseg.spec import NetworkSpec
from teethscape.segmentation.toothseg.splits import Part, Split
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


@dataclass(frozen=True)
class FineTuning:
    """How to fine-tune.

    Attributes:
        split: what trains, chooses and tests.
        folder: for ``best_model.pth`` (weights alone), its card (``.json``), and ``last.pth`` to resume.
        network: as many outputs as the classes have planes.
        size: height and width of what the network sees, px.
        classes: what to tell apart.
        optimising: steps.
        lambda_dice: weight of the Dice loss.
        patience: epochs without a better Dice of the validation pictures before it stops.
        init_from: checkpoint whose fitting tensors are the start, its last layer left out.
        resume: go on from ``last.pth`` where it is.
        log_dir: folder of the journal.
    """

    split: Split
    folder: Path
    network: NetworkSpec = field(default_factory=NetworkSpec)
    size: Size = (224, 320)
    classes: Classes = field(default_factory=lambda: class_sets()["teeth"])
    optimising: Optimising = field(default_factory=lambda: Optimising(100, 4, 1e-5, 1e-5))
    lambda_dice: float = 0.2
    patience: int = 20
    init_from: Path | None = None
    resume: bool = False
    log_dir: Path | None = None

    @property
    def best(self) -> Path:
        """Weights with the best Dice of the validation pictures."""
        return self.folder / "best_model.pth"

    @property
    def last(self) -> Path:
        """State after the last epoch."""
        return self.folder / "last.pth"

    @property
    def card(self) -> Card:
        """What is written beside the weights."""
        return Card(self.network, self.size, self.classes.name)


@dataclass
class _Run:
    """A fine-tuning under way."""

    settings: FineTuning
    network: UNet2D
    optimiser: torch.optim.Adam
    device: torch.device
    progress: Progress = field(default_factory=Progress)
    transferred: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """All epochs done, or patience lost."""
        settings = self.settings
        return self.progress.epoch >= settings.optimising.epochs or self.progress.stale >= settings.patience

    def save(self) -> None:
        """Write what a resumed run needs."""
        content = {
            "model_state_dict": self.network.state_dict(),
            "optimizer_state_dict": self.optimiser.state_dict(),
        }
        save(self.settings.last, {**content, **self.progress.to_json(), "args": self.settings.card.to_json()})


def fine_tune(settings: FineTuning, report: Report) -> dict[str, Any]:
    """Train, keep the best, and test it; returns what was reached.

    Raises:
        BadInputError: pictures, masks or checkpoints cannot be used.
    """
    train, val = settings.split.part(Part.TRAIN), settings.split.part(Part.VAL)
    run = _start(settings)
    data = LabelledData(train, _labelling(settings, augment=True))
    choosing = Evaluation(val, settings.card, settings.lambda_dice)
    journal = Journal(settings.log_dir or settings.folder / "runs")
    while not run.over:
        loss = _epoch(run, data, journal, report)
        dice = evaluate_network(run.network, choosing).dice
        _finish_epoch(run, loss, dice)
        journal.write(run.progress.epoch, {"train/epoch_loss": loss, "val/dice": dice})
    journal.close()
    return {**_test(settings, report), "transferred": len(run.transferred), **_story(run)}


def _labelling(settings: FineTuning, augment: bool) -> Labelling:
    return Labelling(
        settings.size, settings.network.inputs, settings.classes, settings.optimising.seed, augment
    )


def _start(settings: FineTuning) -> _Run:
    """Fresh, initialised or resumed."""
    seed_everything(settings.optimising.seed)
    device = choose_device(settings.optimising.device)
    network = build(settings.network).to(device)
    run = _Run(settings, network, optimiser_of(network, settings.optimising), device)
    if settings.resume and settings.last.is_file():
        content = read_checkpoint(settings.last)
        network.load_state_dict(weights_of(content))
        run.optimiser.load_state_dict(content["optimizer_state_dict"])
        run.progress = Progress.from_json(content)
    elif settings.init_from is not None:
        run.transferred = transfer(
            network, weights_of(read_checkpoint(settings.init_from)), keep_head=False
        ).loaded
    return run


def _epoch(run: _Run, data: LabelledData, journal: Journal, report: Report) -> float:
    """One pass; returns the mean loss of its steps."""
    settings, epoch = run.settings, run.progress.epoch
    loader = batches(data, len(data), settings.optimising, epoch)
    run.network.train()
    losses: list[float] = []
    for step, batch in enumerate(loader):
        picture, truth = (tensor.to(run.device) for tensor in batch)
        loss = segmentation_loss(run.network(picture), truth, settings.lambda_dice)
        take_step(run.optimiser, loss)
        losses.append(float(loss.detach()))
        best = "" if run.progress.best is None else f", best Dice {run.progress.best:.4f}"
        share = (epoch + (step + 1) / len(loader)) / settings.optimising.epochs
        report(share, f"epoch {epoch + 1}, loss {losses[-1]:.4f}{best}")
        if (step + 1) % settings.optimising.log_interval == 0:
            journal.write(epoch * len(loader) + step + 1, {"train/loss": losses[-1]})
    return sum(losses) / len(losses)


def _finish_epoch(run: _Run, loss: float, dice: float) -> None:
    progress = run.progress
    progress.epoch += 1
    progress.history.append({"loss": loss, "val_dice": dice})
    if progress.best is None or dice > progress.best:
        progress.best, progress.stale = dice, 0
        save(run.settings.best, run.network.state_dict())
        run.settings.card.write(run.settings.best)
    else:
        progress.stale += 1
    run.save()


def _test(settings: FineTuning, report: Report) -> dict[str, Any]:
    """Scores of the best weights on the test pictures, where there are any."""
    network = build(settings.network).to(choose_device(settings.optimising.device))
    network.load_state_dict(weights_of(read_checkpoint(settings.best)))
    report(1.0, "testing")
    scores: dict[str, Any] = {"checkpoint": str(settings.best), "test_pictures": len(settings.split.test)}
    if settings.split.test:
        tested = evaluate_network(
            network, Evaluation(settings.split.test, settings.card, settings.lambda_dice)
        )
        scores |= {"test_dice": tested.dice, "test_iou": tested.iou}
    return scores


def _story(run: _Run) -> dict[str, Any]:
    progress = run.progress
    stopped = progress.stale >= run.settings.patience
    return {
        "epochs": progress.epoch,
        "stopped_early": stopped,
        "best_val_dice": progress.best,
        "history": progress.history,
    }
