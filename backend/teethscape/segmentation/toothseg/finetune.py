"""Fine-tuning with labels: cross entropy plus Dice, early stopping, exact resume (needs torch).

Spec, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from teethscape.segmentation.toothseg.card import Card
from teethscape.segmentation.toothseg.checkpoints import read_checkpoint, save, weights_of
from teethscape.segmentation.toothseg.classes import Classes, class_sets
from teethscape.segmentation.toothseg.data import LabelledData, Labelling
from teethscape.segmentation.toothseg.evaluate import Evaluation, evaluate_network
from teethscape.segmentation.toothseg.headers import require_pairs
from teethscape.segmentation.toothseg.losses import segmentation_loss
from teethscape.segmentation.toothseg.networks import UNet2D, build
from teethscape.segmentation.toothseg.pictures import Size, require_shown
from teethscape.segmentation.toothseg.running import Report, Running, Start, begin
from teethscape.segmentation.toothseg.spec import NetworkSpec
from teethscape.segmentation.toothseg.splits import Part, Split
from teethscape.segmentation.toothseg.training import Journal, Optimising, batches, choose_device


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
        resume: go on from ``last.pth`` where it is, with its rate and weight decay, on the same split.
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
        return Card(self.network, self.size, self.classes.name, self.split.digests)


def fine_tune(settings: FineTuning, report: Report) -> dict[str, Any]:
    """Train, keep the best, and test it; returns what was reached.

    Raises:
        BadInputError: pictures, masks or checkpoints cannot be used.
    """
    train, val = settings.split.part(Part.TRAIN), settings.split.part(Part.VAL)
    require_pairs((*train, *val, *settings.split.test), settings.classes)
    for items in (train, val):
        require_shown(items, settings.classes)
    resume = settings.last if settings.resume else None
    start = Start(resume, settings.init_from, keep_head=False, remembers=settings.card.to_json())
    run = begin(settings.network, settings.optimising, start)
    data = LabelledData(train, _labelling(settings, augment=True))
    choosing = Evaluation(val, settings.card, settings.lambda_dice)
    journal = Journal(settings.log_dir or settings.folder / "runs")
    while not _over(run, settings):
        loader = batches(data, len(data), settings.optimising, run.progress.epoch)
        told = partial(_told, report, run.progress.best)
        loss = run.epoch(loader, partial(_loss, settings.lambda_dice, run.network), journal, told)
        dice = evaluate_network(run.network, choosing).dice
        _finish_epoch(run, settings, loss, dice)
        journal.write(run.progress.epoch, {"train/epoch_loss": loss, "val/dice": dice})
    journal.close()
    return {**_test(settings, report), "transferred": len(run.transferred), **_story(run, settings)}


def _labelling(settings: FineTuning, augment: bool) -> Labelling:
    return Labelling(
        settings.size, settings.network.inputs, settings.classes, settings.optimising.seed, augment
    )


def _over(run: Running, settings: FineTuning) -> bool:
    """All epochs done, or patience lost."""
    return run.progress.epoch >= settings.optimising.epochs or run.progress.stale >= settings.patience


def _loss(lambda_dice: float, network: UNet2D, batch: list[Tensor]) -> Tensor:
    """Loss of a batch: pictures and their truth."""
    picture, truth = batch
    return segmentation_loss(network(picture), truth, lambda_dice)


def _told(report: Report, best: float | None, share: float, words: str) -> None:
    """Report with the best Dice until now."""
    report(share, words if best is None else f"{words}, best Dice {best:.4f}")


def _finish_epoch(run: Running, settings: FineTuning, loss: float, dice: float) -> None:
    progress = run.progress
    progress.epoch += 1
    progress.history.append({"loss": loss, "val_dice": dice})
    if progress.best is None or dice > progress.best:
        progress.best, progress.stale = dice, 0
        save(settings.best, run.network.state_dict())
        settings.card.write(settings.best)
    else:
        progress.stale += 1
    save(settings.last, run.checkpoint(settings.card.to_json()))


def _test(settings: FineTuning, report: Report) -> dict[str, Any]:
    """Scores of the best weights on the test pictures, where there are any."""
    network = build(settings.network).to(choose_device(settings.optimising.device))
    # A training that came from another folder may not have found anything better here.
    chosen = settings.best if settings.best.is_file() else settings.last
    network.load_state_dict(weights_of(read_checkpoint(chosen)))
    report(1.0, "testing")
    scores: dict[str, Any] = {"checkpoint": str(chosen), "test_pictures": len(settings.split.test)}
    if settings.split.test:
        tested = evaluate_network(
            network, Evaluation(settings.split.test, settings.card, settings.lambda_dice)
        )
        scores |= {"test_dice": tested.dice, "test_iou": tested.iou}
    return scores


def _story(run: Running, settings: FineTuning) -> dict[str, Any]:
    progress = run.progress
    stopped = progress.stale >= settings.patience
    return {
        "epochs": progress.epoch,
        "stopped_early": stopped,
        "best_val_dice": progress.best,
        "history": progress.history,
    }
