"""Losses of pre-training and fine-tuning (spec, sections 2, 3 and 5; needs torch)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Keeps the Dice of an empty plane defined.
EPS = 1e-6


def masked_l1(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error where ``mask`` (n, 1, h, w) is 1; everywhere when it is empty."""
    error = (predicted - target).abs()
    mask = mask.expand_as(error)
    if not bool(mask.any()):
        return error.mean()
    return (error * mask).sum() / (mask.sum() + 1e-8)


def probabilities(logits: Tensor) -> Tensor:
    """(n, planes, h, w): a sigmoid for one plane, a softmax over several."""
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 minus the mean soft Dice of pictures and classes; plane 0 of several is the background and left out.

    Args:
        logits: (n, planes, h, w).
        target: (n, planes, h, w) in [0, 1], one-hot when there are several planes.
    """
    first = 0 if logits.shape[1] == 1 else 1
    chance, truth = probabilities(logits)[:, first:], target[:, first:]
    common = (chance * truth).sum(dim=(2, 3))
    whole = chance.sum(dim=(2, 3)) + truth.sum(dim=(2, 3))
    return 1 - ((2 * common + EPS) / (whole + EPS)).mean()


def entropy_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross entropy for one plane, cross entropy for several; the mean over pixels."""
    if logits.shape[1] == 1:
        return nn.functional.binary_cross_entropy_with_logits(logits, target)
    return nn.functional.cross_entropy(logits, target)


def segmentation_loss(logits: Tensor, target: Tensor, lambda_dice: float = 0.2) -> Tensor:
    """Cross entropy plus ``lambda_dice`` times the Dice loss."""
    return entropy_loss(logits, target) + lambda_dice * dice_loss(logits, target)
