"""Scores of a network on labelled pictures, per picture and as a whole (spec, section 6; needs torch)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from teethscape.dental.files import write_bytes
from teethscape.segmentation.toothseg.card import Card
from teethscape.segmentation.toothseg.classes import class_sets
from teethscape.segmentation.toothseg.data import LabelledData, Labelling
from teethscape.segmentation.toothseg.index import Item
from teethscape.segmentation.toothseg.losses import probabilities, segmentation_loss
from teethscape.segmentation.toothseg.scores import Scores, bootstrap, mean, mean_scores, score
from teethscape.segmentation.toothseg.targets import predicted, require_free_predictions

#: Scores of the summary, and columns of the CSV.
NAMES = ("loss", "dice", "iou", "precision", "recall", "hd95", "boundary_iou")


@dataclass(frozen=True)
class Evaluation:
    """What to score.

    Attributes:
        items: labelled pictures.
        card: size and classes of the network.
        lambda_dice: weight of the Dice in the loss.
        batch: pictures at once.
    """

    items: Sequence[Item]
    card: Card
    lambda_dice: float = 0.2
    batch: int = 8

    @cached_property
    def data(self) -> LabelledData:
        """The pictures, decoded once however often they are scored."""
        classes = class_sets()[self.card.classes]
        return LabelledData(
            self.items, Labelling(self.card.size, self.card.network.inputs, classes, 0, augment=False)
        )


@dataclass(frozen=True)
class Row:
    """One picture's scores; with several classes the mean over the foreground."""

    item: Item
    loss: float
    scores: Scores
    classes: tuple[Scores, ...]

    def value(self, name: str) -> float:
        """A score by its name."""
        return self.loss if name == "loss" else getattr(self.scores, name)


@dataclass(frozen=True)
class Evaluated:
    """All rows, in the order of the items."""

    rows: tuple[Row, ...]
    card: Card

    @property
    def dice(self) -> float:
        """Mean Dice over pictures."""
        return mean([row.scores.dice for row in self.rows])

    @property
    def iou(self) -> float:
        """Mean IoU over pictures."""
        return mean([row.scores.iou for row in self.rows])

    def best(self, count: int) -> tuple[Row, ...]:
        """Pictures with the lowest loss."""
        return tuple(sorted(self.rows, key=lambda row: row.loss)[:count])

    def worst(self, count: int) -> tuple[Row, ...]:
        """Pictures with the highest loss."""
        return tuple(sorted(self.rows, key=lambda row: -row.loss)[:count])

    def summary(self, seed: int) -> dict[str, Any]:
        """Means with 95 % bootstrap intervals, per class and per age group; undefined values are null."""
        names = class_sets()[self.card.classes]
        foreground = [names.planes[plane] for plane in names.foreground]
        groups = sorted({row.item.age_group for row in self.rows})
        return {
            "pictures": len(self.rows),
            "size": list(self.card.size),
            **_means(self.rows, seed),
            "classes": {name: self._class_means(k) for k, name in enumerate(foreground)},
            "age_groups": {
                group or "unknown": {"pictures": len(rows), **_means(rows, seed)}
                for group in groups
                if (rows := [row for row in self.rows if row.item.age_group == group])
            },
        }

    def _class_means(self, number: int) -> dict[str, float | None]:
        means = mean_scores([row.classes[number] for row in self.rows])
        return {name: _json(value) for name, value in asdict(means).items()}


def _means(rows: Sequence[Row], seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in NAMES:
        interval = bootstrap([row.value(name) for row in rows], seed)
        found[name] = _json(interval.mean)
        found[f"{name}_95"] = [_json(interval.low), _json(interval.high)]
    return found


def _json(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


@dataclass(frozen=True)
class Outcome:
    """What a network made of one picture, at the network's size.

    Attributes:
        item: the picture.
        picture: (h, w, c) in [0, 1].
        truth: (h, w) labels, in the numbering of `Classes.decided`.
        predicted: (h, w) labels.
        loss: of this picture.
    """

    item: Item
    picture: NDArray[np.float32]
    truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    loss: float


def outcomes(network: nn.Module, evaluation: Evaluation) -> Iterator[Outcome]:
    """Run a network over labelled pictures, one by one in their order."""
    classes, data = class_sets()[evaluation.card.classes], evaluation.data
    starts = range(0, len(data), evaluation.batch)
    places = [[(0, k) for k in range(i, min(i + evaluation.batch, len(data)))] for i in starts]
    network.eval()
    for group, (picture, truth) in zip(places, DataLoader(data, batch_sampler=places), strict=True):
        logits = _logits(network, picture)
        for k, (_, number) in enumerate(group):
            loss = float(segmentation_loss(logits[k : k + 1], truth[k : k + 1], evaluation.lambda_dice))
            chances = probabilities(logits[k : k + 1])[0].numpy()
            labels = classes.decided(truth[k].numpy()), classes.decided(chances)
            yield Outcome(evaluation.items[number], shown(picture[k]), *labels, loss)


def _logits(network: nn.Module, picture: Tensor) -> Tensor:
    with torch.no_grad():
        return network(picture.to(next(network.parameters()).device)).cpu()


def shown(picture: Tensor) -> NDArray[np.float32]:
    """What the network saw, back in [0, 1] as (h, w, c)."""
    return np.clip(picture.numpy().transpose(1, 2, 0) * 0.25 + 0.5, 0, 1)


def score_outcome(outcome: Outcome, card: Card) -> Row:
    """Scores of one picture."""
    classes = class_sets()[card.classes]
    each = tuple(
        score(classes.mask_of(outcome.predicted, plane), classes.mask_of(outcome.truth, plane))
        for plane in classes.foreground
    )
    return Row(outcome.item, outcome.loss, mean_scores(each), each)


def evaluate_network(
    network: nn.Module, evaluation: Evaluation, predictions: Path | None = None
) -> Evaluated:
    """Score a network.

    Args:
        network: as the card says.
        evaluation: pictures and classes.
        predictions: folder for the label images, one per picture.

    Raises:
        BadInputError: pictures or masks cannot be used.
        UsageError: a label image would replace a picture or a mask.
    """
    if predictions is not None:
        require_free_predictions(predictions, evaluation.items, evaluation.items)
    rows = []
    for outcome in outcomes(network, evaluation):
        rows.append(score_outcome(outcome, evaluation.card))
        if predictions is not None:
            _, data = cv2.imencode(".png", outcome.predicted)
            write_bytes(predicted(predictions, outcome.item), data.tobytes())
    return Evaluated(tuple(rows), evaluation.card)


def write_rows(path: Path, evaluated: Evaluated) -> None:
    """Write every picture's scores as CSV; undefined distances stay empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["pair_id", "age_group", *NAMES])
    for row in evaluated.rows:
        values = [row.value(name) for name in NAMES]
        writer.writerow(
            [row.item.pair_id, row.item.age_group, *("" if math.isnan(v) else repr(v) for v in values)]
        )
    write_bytes(path, text.getvalue().encode("utf-8"))
