"""Losses of NeuS with masks and normals (needs torch). Source: ``teethdreamer-spec.md``, section 6.6."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_GRAZING = -0.1
_CLAMP = 1e-3
_SPARSITY = 100.0


@dataclass(frozen=True, eq=False)
class RayTargets:
    """What n rays should see.

    Attributes:
        colour: (n, 3) over the background that was rendered.
        colour_mask: (n,) 1 where the colour may be believed.
        foreground: (n,) 0..1.
        normal: (n, 3) world, zero where unknown; None without normals.
        directions: (n, 3) unit, of the rays.
        view_weight: (n,) how far the ray's view is believed.
    """

    colour: Tensor
    colour_mask: Tensor
    foreground: Tensor
    normal: Tensor | None
    directions: Tensor
    view_weight: Tensor


@dataclass(frozen=True, eq=False)
class Rendered:
    """What the losses look at.

    Attributes:
        colour: (n, 3) with background.
        normal: (n, 3) unit.
        opacity: (n,).
        valid: (n,) any surface met.
        sdf: (m,) at the samples.
        gradient: (m, 3) at the samples.
        near: (k, 3) gradients at random points, or None.
        beside: (k, 3) gradients a little beside them, or None.
        spread: () how far the weights along rays are apart, or None.
        laplacian: (m,) of the distance at the samples, or None.
    """

    colour: Tensor
    normal: Tensor
    opacity: Tensor
    valid: Tensor
    sdf: Tensor
    gradient: Tensor
    near: Tensor | None = None
    beside: Tensor | None = None
    spread: Tensor | None = None
    laplacian: Tensor | None = None


@dataclass(frozen=True)
class LossRules:
    """Which variant of the losses.

    Attributes:
        geo_aware: weigh normals by how frontally they are seen.
        keep_rgb: share of the smallest colour errors that count.
        keep_l1: the same for absolute errors.
        keep_normal: the same for normals.
        keep_mask: the same for masks.
    """

    geo_aware: bool = True
    keep_rgb: float = 1.0
    keep_l1: float = 0.8
    keep_normal: float = 1.0
    keep_mask: float = 1.0


def ranked(errors: Tensor, keep: float, weights: Tensor | None = None, summed: bool = False) -> Tensor:
    """Mean or sum of a share of the errors (n,), each times its weight (n,); 0 of none.

    Meant are the smallest errors; but the published function looks the order up in the list that it has
    already sorted, so that a share below one picks others. The fixtures pin that, and so do we.
    """
    in_order, order = torch.sort(errors)
    order = order[: int(keep * len(errors))]
    kept = in_order[order] if weights is None else in_order[order] * weights[order]
    return kept.sum() if summed or not len(kept) else kept.mean()


def all_losses(out: Rendered, wanted: RayTargets, rules: LossRules) -> dict[str, Tensor]:
    """Every loss by name, none weighted."""
    losses = _colour_losses(out, wanted, rules)
    if wanted.normal is not None:
        losses["normal"] = normal_loss(out.normal, wanted.normal, wanted, rules)
    opacity = out.opacity.clamp(_CLAMP, 1 - _CLAMP)
    losses["mask"] = ranked(_cross_entropy(opacity, wanted.foreground), rules.keep_mask, wanted.view_weight)
    losses["opaque"] = _cross_entropy(opacity, opacity).mean()
    losses["eikonal"] = ((out.gradient.norm(dim=1) - 1.0) ** 2).mean()
    losses["sparsity"] = torch.exp(-_SPARSITY * out.sdf.abs()).mean()
    if out.near is not None and out.beside is not None:
        losses["3d_normal_smooth"] = (out.near - out.beside).abs().mean()
    if out.spread is not None:
        losses["distortion"] = out.spread
    if out.laplacian is not None:
        losses["curvature"] = out.laplacian.abs().mean()
    return losses


def _colour_losses(out: Rendered, wanted: RayTargets, rules: LossRules) -> dict[str, Tensor]:
    """With normals: masked, summed over the channels; else plain means over valid rays."""
    error = out.colour - wanted.colour
    if wanted.normal is None:
        shown = error[out.valid]
        return {"rgb_mse": (shown**2).mean(), "rgb_l1": shown.abs().mean()}
    use = out.valid & (wanted.colour_mask > 0.5)
    weight = wanted.view_weight[use]
    return {
        "rgb_mse": ranked((error[use] ** 2).sum(dim=1), rules.keep_rgb, weight),
        "rgb_l1": ranked(error[use].abs().sum(dim=1), rules.keep_l1, weight),
    }


def normal_loss(found: Tensor, normal: Tensor, wanted: RayTargets, rules: LossRules) -> Tensor:
    """One minus the cosine to the wanted normal; the denominator of the weights runs over all rays."""
    error = 1.0 - torch.nn.functional.cosine_similarity(found, normal, dim=1)
    facing = torch.nn.functional.cosine_similarity(wanted.directions, normal, dim=1)
    facing = torch.where(facing > _GRAZING, 0.0, facing)
    if rules.geo_aware:
        weight = torch.exp(facing.abs())
        error = error * weight / weight.sum()
    use = (wanted.foreground > 0) & (facing < _GRAZING)
    return ranked(error[use], rules.keep_normal, wanted.view_weight[use], summed=rules.geo_aware)


def _cross_entropy(found: Tensor, wanted: Tensor) -> Tensor:
    return -(wanted * torch.log(found) + (1 - wanted) * torch.log(1 - found))


def distortion(weights: Tensor, middles: Tensor, lengths: Tensor) -> Tensor:
    """Spread of the weights along rays: Barron et al. 2022, equation 15.

    Args:
        weights: (n, k) of samples in order; zero where a ray has fewer.
        middles: (n, k) distances.
        lengths: (n, k) of the samples.

    Returns:
        Mean over the rays.
    """
    before = torch.cumsum(weights, dim=1) - weights
    moment = torch.cumsum(weights * middles, dim=1) - weights * middles
    between = 2 * (weights * (middles * before - moment)).sum(dim=1)
    return (between + (weights**2 * lengths).sum(dim=1) / 3).mean()


def laplacian(sdf: Callable[[Tensor], Tensor], points: Tensor, step: float) -> Tensor:
    """Sum of the second derivatives of a field, by central differences.

    Source: Li et al. 2023, "Neuralangelo", section 3.2, whose curvature loss is the mean of its size.

    Args:
        sdf: (k, 3) points to (k,) distances.
        points: (n, 3).
        step: distance of the neighbours, world units.

    Returns:
        (n,) per world unit.
    """
    steps = step * torch.eye(3, dtype=points.dtype, device=points.device)
    around = points + torch.cat([steps, -steps, torch.zeros_like(steps[:1])])[:, None]  # (7, n, 3)
    found = sdf(around.reshape(-1, 3)).reshape(len(around), -1)
    return (found[:-1].sum(dim=0) - 6 * found[-1]) / step**2


def total_loss(losses: Mapping[str, Tensor], lambdas: Mapping[str, float]) -> Tensor:
    """Weighted sum of the losses that have a weight."""
    return sum((lambdas[name] * loss for name, loss in losses.items() if lambdas.get(name)), torch.zeros(()))
