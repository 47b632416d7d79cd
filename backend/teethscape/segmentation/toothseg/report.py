"""Pictures of what a network does, as one HTML file: best and worst, saliency, several models (needs torch).

Spec, section 9; a file instead of a notebook, so that nothing hides in a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from teethscape.dental.files import write_bytes
from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg.classes import Classes, class_sets
from teethscape.segmentation.toothseg.data import ReconstructionData
from teethscape.segmentation.toothseg.evaluate import (
    Evaluated,
    Evaluation,
    Outcome,
    Row,
    outcomes,
    score_outcome,
    shown,
)
from teethscape.segmentation.toothseg.networks import UNet2D
from teethscape.segmentation.toothseg.pages import Figure, Section, page, table
from teethscape.segmentation.toothseg.pictures import normalised
from teethscape.segmentation.toothseg.pretrain import reconstruct

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Model:
    """A network of the comparison, with a name for people."""

    name: str
    network: UNet2D
    evaluation: Evaluation


def saliency(network: nn.Module, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each pixel moves the sum of the logits: |gradient| of a picture (h, w, c) in [0, 1].

    Returns:
        (h, w) in [0, 1], the largest of the channels over the picture's largest.
    """
    network.eval()
    device = next(network.parameters()).device
    tensor = torch.from_numpy(normalised(image))[None].to(device).requires_grad_(True)
    (gradient,) = torch.autograd.grad(network(tensor).sum(), tensor)
    size = gradient[0].abs().amax(dim=0).cpu().numpy()
    return (size / max(float(size.max()), 1e-12)).astype(np.float32)


def _rgb(image: NDArray[np.floating]) -> Picture:
    """(h, w, 1 or 3) in [0, 1] as RGB."""
    values = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values


def painted(labels: NDArray[np.uint8], classes: Classes) -> Picture:
    """A label image in the colours of its classes."""
    out = np.zeros((*labels.shape, 3), np.uint8)
    for plane in classes.foreground:
        out[classes.mask_of(labels, plane)] = classes.colours[plane]
    return out


def overlay(picture: Picture, labels: NDArray[np.uint8], classes: Classes) -> Picture:
    """A picture (h, w, 3) half covered by the colours of its labels."""
    colour = painted(labels, classes)
    inside = (labels > 0)[..., None]
    return np.where(inside, picture // 2 + colour // 2, picture).astype(np.uint8)


def panels(outcome: Outcome, network: nn.Module, classes: Classes) -> list[Figure]:
    """Input, truth, prediction, overlay and saliency of one picture."""
    picture = _rgb(outcome.picture)
    heat = (saliency(network, outcome.picture) * 255).astype(np.uint8)
    hot = np.asarray(cv2.applyColorMap(heat, cv2.COLORMAP_HOT)[..., ::-1], np.uint8)
    return [
        Figure("input", picture),
        Figure("truth", painted(outcome.truth, classes)),
        Figure("prediction", painted(outcome.predicted, classes)),
        Figure("overlay", overlay(picture, outcome.predicted, classes)),
        Figure("saliency", np.ascontiguousarray(hot)),
    ]


def _judged(model: Model) -> tuple[Evaluated, dict[str, Outcome]]:
    """Scores and outcomes of a model by the names of the pictures."""
    found = {outcome.item.pair_id: outcome for outcome in outcomes(model.network, model.evaluation)}
    rows = tuple(score_outcome(outcome, model.evaluation.card) for outcome in found.values())
    return Evaluated(rows, model.evaluation.card), found


def write_report(path: Path, models: Sequence[Model], top: int, seed: int) -> dict[str, Any]:
    """Write the report; best and worst are those of the first model, by loss.

    Args:
        path: HTML file, with every picture inside it.
        models: networks for the same pictures.
        top: how many best and worst pictures.
        seed: of the bootstrap.

    Returns:
        Each model's summary by its name.

    Raises:
        BadInputError: the models tell different classes apart.
    """
    if len({model.evaluation.card.classes for model in models}) > 1:
        raise BadInputError(
            "models_differ", "The models tell different classes apart.", "Compare like with like."
        )
    judged = [_judged(model) for model in models]
    classes = class_sets()[models[0].evaluation.card.classes]
    summaries = {m.name: e.summary(seed) for m, (e, _) in zip(models, judged, strict=True)}
    sections = [Section("Scores", table(summaries), ())]
    first = judged[0][0]
    for title, rows in (("Best", first.best(top)), ("Worst", first.worst(top))):
        for row in rows:
            sections += _sections(title, row, models, judged, classes)
    write_bytes(path, page("Segmentation report", sections).encode("utf-8"))
    return summaries


def _sections(
    title: str,
    row: Row,
    models: Sequence[Model],
    judged: Sequence[tuple[Evaluated, dict[str, Outcome]]],
    classes: Classes,
) -> list[Section]:
    """One picture as every model sees it."""
    found = []
    for model, (scored, known) in zip(models, judged, strict=True):
        own = next(r for r in scored.rows if r.item.pair_id == row.item.pair_id)
        words = f"{title}: {row.item.pair_id}, {model.name}: loss {own.loss:.4f}, Dice {own.scores.dice:.4f}"
        figures = panels(known[row.item.pair_id], model.network, classes)
        found.append(Section(words, "", tuple(figures)))
    return found


def write_reconstructions(path: Path, network: nn.Module, data: ReconstructionData, count: int) -> None:
    """Write what pre-training sees and makes: whole and spoiled pictures, what is hidden, reconstructions."""
    sections = []
    for number, (whole, spoiled, hidden, made) in enumerate(reconstruct(network, data, count)):
        pictures = {"target": shown(whole), "shown": shown(spoiled)}
        pictures["mask"] = hidden.numpy().transpose(1, 2, 0)
        pictures["reconstructed"] = shown(made)
        figures = tuple(Figure(name, _rgb(picture)) for name, picture in pictures.items())
        sections.append(Section(f"Picture {number + 1}", "", figures))
    write_bytes(path, page("Pre-training", sections).encode("utf-8"))
