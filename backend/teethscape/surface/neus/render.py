"""Opacity of samples, and what rays see through them (needs torch).

Source: Wang et al. 2021, "NeuS", equations 10-13; ``teethdreamer-spec.md``, section 6.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from teethscape.surface.neus.fields import NeusModel
from teethscape.surface.neus.losses import distortion
from teethscape.surface.neus.march import Samples

_EPSILON = 1e-5
#: The least that a sample lets through; keeps logarithms finite.
_LEAST = 1e-10


def sample_alpha(
    field: tuple[Tensor, Tensor], directions: Tensor, lengths: Tensor, inv_s: Tensor, anneal: float
) -> Tensor:
    """(m,) opacity of samples.

    Args:
        field: signed distances (m,) and unit normals (m, 3) at the middles.
        directions: (m, 3) unit.
        lengths: (m,) of the samples, world units.
        inv_s: sharpness.
        anneal: 0 at the start of training to 1: how strictly back faces are closed.
    """
    sdf, normals = field
    cos = (directions * normals).sum(dim=1)
    facing = -(torch.relu(-0.5 * cos + 0.5) * (1.0 - anneal) + torch.relu(-cos) * anneal)
    half = facing * lengths * 0.5
    before, after = torch.sigmoid((sdf - half) * inv_s), torch.sigmoid((sdf + half) * inv_s)
    return ((before - after + _EPSILON) / (before + _EPSILON)).clamp(0.0, 1.0)


def weights_of(alpha: Tensor, samples: Samples, rays: int) -> Tensor:
    """(m,) how much each sample contributes to its ray."""
    table = alpha.new_zeros(rays, max(samples.most, 1))
    let_through = torch.log((1.0 - alpha).clamp_min(_LEAST))
    table = table.index_put((samples.ray, samples.place), let_through)
    reached = torch.exp(torch.cumsum(table, dim=1) - table)
    return alpha * reached[samples.ray, samples.place]


def spread_along_rays(weights: Tensor, samples: Samples, rays: int) -> Tensor:
    """() how far the weights (m,) of samples are apart along their rays: the loss "distortion"."""
    parts = torch.stack([weights, samples.middle, samples.end - samples.start])
    table = parts.new_zeros(3, rays, max(samples.most, 1))
    table[:, samples.ray, samples.place] = parts
    return distortion(*table)


def gathered(weights: Tensor, values: Tensor | None, samples: Samples, rays: int) -> Tensor:
    """(rays, c) weighted sums of (m, c) values along rays; of ones without values."""
    parts = weights[:, None] if values is None else weights[:, None] * values
    return parts.new_zeros(rays, parts.shape[1]).index_add(0, samples.ray, parts)


@dataclass(frozen=True, eq=False)
class Rendering:
    """What n rays see, and the samples behind it.

    Attributes:
        colour: (n, 3) without background.
        opacity: (n, 1).
        depth: (n, 1) world units, not divided by the opacity.
        normal: (n, 3) unit where anything was hit.
        sdf: (m,) at the samples.
        gradient: (m, 3) at the samples.
        weights: (m,) of the samples.
        sample_colour: (m, 3).
        feature: (m, 13).
        samples: where they lie.
        inv_s: sharpness.
    """

    colour: Tensor
    opacity: Tensor
    depth: Tensor
    normal: Tensor
    sdf: Tensor
    gradient: Tensor
    weights: Tensor
    sample_colour: Tensor
    feature: Tensor
    samples: Samples
    inv_s: Tensor

    @property
    def valid(self) -> Tensor:
        """(n,) whether a ray met anything."""
        return self.opacity[:, 0] > 0

    def over(self, background: Tensor) -> Tensor:
        """(n, 3) colour over a background (3,) or (n, 3)."""
        return self.colour + background * (1.0 - self.opacity)


def render_rays(model: NeusModel, rays: tuple[Tensor, Tensor], samples: Samples, anneal: float) -> Rendering:
    """Render (n, 3) origins and unit directions through given samples."""
    origins, directions = rays
    middle = samples.middle
    points = origins[samples.ray] + middle[:, None] * directions[samples.ray]
    field = model.geometry(points)
    normals = normalize(field.gradient, dim=1)
    inv_s = model.variance()
    lengths = samples.end - samples.start
    alpha = sample_alpha((field.sdf, normals), directions[samples.ray], lengths, inv_s, anneal)
    weights = weights_of(alpha, samples, len(origins))
    colours = model.texture(field.feature)
    total = len(origins)
    return Rendering(
        colour=gathered(weights, colours, samples, total),
        opacity=gathered(weights, None, samples, total),
        depth=gathered(weights, middle[:, None], samples, total),
        normal=normalize(gathered(weights, normals, samples, total), dim=1),
        sdf=field.sdf,
        gradient=field.gradient,
        weights=weights,
        sample_colour=colours,
        feature=field.feature,
        samples=samples,
        inv_s=inv_s,
    )
