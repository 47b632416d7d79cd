"""What the network shall answer for a crop, and how wrong an answer is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from teethscape.dental.fdi import PLACES
from teethscape.segmentation.train_photos import GUM_UNKNOWN, NO_VIEW, TrainingPhoto

#: Kind of a pixel whose tooth number counts for nothing.
NO_KIND = -1


@dataclass(frozen=True)
class Target:
    """Truth of one crop.

    Attributes:
        tooth, boundary, energy, upper, weight: (h, w) float32.
        gum: (h, w) float32, -1 where unknown.
        kind: (h, w) int64, 0-6 or ``NO_KIND``.
        view: number of the view or ``NO_VIEW``, -1 when the crop shows too little to tell.
        turned: upside down.
    """

    tooth: NDArray[np.float32]
    boundary: NDArray[np.float32]
    energy: NDArray[np.float32]
    upper: NDArray[np.float32]
    weight: NDArray[np.float32]
    gum: NDArray[np.float32]
    kind: NDArray[np.int64]
    view: int
    turned: bool


def edges(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(h, w) true within about a pixel of any border between labels."""
    kernel = np.ones((3, 3), np.uint8)
    return cv2.dilate(labels, kernel) != cv2.erode(labels, kernel)


def energy(labels: NDArray[np.uint8], border: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance to the tooth's border as a share of that tooth's largest distance, (h, w)."""
    distance = cv2.distanceTransform(((labels > 0) & ~border).astype(np.uint8), cv2.DIST_L2, 3)
    largest = np.ones(256, np.float32)
    np.maximum.at(largest, labels.ravel(), distance.ravel())
    return np.asarray(distance / largest[labels], np.float32)


def make_target(crop: TrainingPhoto, turned: bool, whole: bool) -> Target:
    """Truth of an augmented crop."""
    teeth = crop.teeth
    border = edges(teeth)
    kind = (teeth % 10).astype(np.int64) - 1
    kind[(teeth == 0) | (kind >= PLACES)] = NO_KIND
    near = cv2.GaussianBlur(border.astype(np.float32), (0, 0), 2.0)
    weight = (1 + 2 * near) * ~(crop.ignore & (teeth == 0))
    return Target(
        (teeth > 0).astype(np.float32),
        border.astype(np.float32),
        energy(teeth, border),
        (teeth < 30).astype(np.float32),
        weight.astype(np.float32),
        np.where(crop.gum == GUM_UNKNOWN, -1.0, crop.gum).astype(np.float32),
        kind,
        crop.view if whole else -1,
        turned,
    )


@dataclass(frozen=True)
class TargetBatch:
    """Targets of a batch as tensors; names as in :class:`Target`.

    Maps and kinds are small types, so that loading processes have less to hand over.
    """

    maps: Tensor
    kind: Tensor
    view: Tensor
    turned: Tensor

    @classmethod
    def stack(cls, targets: list[Target]) -> TargetBatch:
        """Join the targets of a batch; ``maps`` is (n, 6, h, w) float16, ``kind`` int8."""
        maps = np.stack([[t.tooth, t.boundary, t.energy, t.upper, t.weight, t.gum] for t in targets])
        return cls(
            torch.from_numpy(maps.astype(np.float16)),
            torch.from_numpy(np.stack([t.kind for t in targets]).astype(np.int8)),
            torch.tensor([t.view for t in targets]),
            torch.tensor([float(t.turned) for t in targets]),
        )

    def to(self, device: torch.device) -> TargetBatch:
        """The same on another device."""
        parts = (self.maps, self.kind, self.view, self.turned)
        return TargetBatch(*(part.to(device) for part in parts))


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean, zero where there is no weight."""
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def loss(outputs: tuple[Tensor, Tensor, Tensor, Tensor], batch: TargetBatch) -> Tensor:
    """Sum of all losses of a batch; outputs are logits as the network gives them."""
    pixels, kinds, views, turned = (o.float() for o in outputs)
    tooth, border, peak, upper, weight, gum = batch.maps.float().unbind(1)
    bce = nn.functional.binary_cross_entropy_with_logits
    total = _mean(bce(pixels[:, 0], tooth, reduction="none"), weight)
    chance = torch.sigmoid(pixels[:, 0]) * (weight > 0)
    both = (chance * tooth).sum(dim=(1, 2))
    dice = (2 * both + 100) / (chance.sum(dim=(1, 2)) + tooth.sum(dim=(1, 2)) + 100)
    total = total + 0.5 * (1 - dice.mean())
    total = total + 1.5 * _mean(bce(pixels[:, 1], border, reduction="none"), (weight > 0) * (1 + 2 * border))
    inside = tooth * 4 + 0.25
    total = total + 2.0 * _mean((torch.sigmoid(pixels[:, 2]) - peak).abs(), (weight > 0) * inside)
    total = total + 0.5 * _mean(bce(pixels[:, 3], upper, reduction="none"), tooth)
    known = (weight > 0) * (gum >= 0)
    total = total + 0.5 * _mean(bce(pixels[:, 4], gum.clamp(min=0), reduction="none"), known)
    total = total + 0.7 * _kind_loss(kinds, batch.kind[:, 1::2, 1::2].long())
    return total + 0.3 * _picture_loss(views, turned[:, 0], batch)


def _kind_loss(logits: Tensor, kind: Tensor) -> Tensor:
    """Cross entropy of the tooth kinds inside labelled teeth."""
    if not bool((kind != NO_KIND).any()):
        return logits.sum() * 0.0
    return nn.functional.cross_entropy(logits, kind, ignore_index=NO_KIND)


def _picture_loss(views: Tensor, turned: Tensor, batch: TargetBatch) -> Tensor:
    """Cross entropy of the view and of "upside down" where the crop shows enough."""
    known = (batch.view >= 0).float()
    target = batch.view.clamp(min=0)
    view = nn.functional.cross_entropy(views, target, reduction="none")
    bce = nn.functional.binary_cross_entropy_with_logits
    flipped = bce(turned, batch.turned, reduction="none")
    teeth = known * (batch.view != NO_VIEW).float()
    return _mean(view, known) + _mean(flipped, teeth)
