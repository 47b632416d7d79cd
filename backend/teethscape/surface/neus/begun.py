"""A distance that begins exactly as a known field: the network learns only what to add (needs torch).

A network that has to learn its start first takes longer to come as near as the start was.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from teethscape.surface.lookup import FieldLookup


class FreshNetwork(nn.Module):
    """What two layers say before they have learnt, while no feature of the encoding counts: a sphere.

    Args:
        first: weight (h, 3) and bias (h,) of the first layer, for places -1..1.
        last: weight (h,) and bias () of the second one's distance.
        sharpness: of the softplus between them.
    """

    weight: Tensor
    bias: Tensor
    last_weight: Tensor
    last_bias: Tensor

    def __init__(self, first: tuple[Tensor, Tensor], last: tuple[Tensor, Tensor], sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness
        for name, values in zip(("weight", "bias", "last_weight", "last_bias"), (*first, *last), strict=True):
            self.register_buffer(name, values.detach().clone())

    def forward(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3) places -1..1 to (n,) distances and their slopes (n, 3)."""
        inner = nn.functional.linear(places, self.weight, self.bias)
        distance = nn.functional.softplus(inner, beta=self.sharpness) @ self.last_weight + self.last_bias
        return distance, (torch.sigmoid(self.sharpness * inner) * self.last_weight) @ self.weight


class Begun(nn.Module):
    """What is added to a network so that both together begin as a field.

    Args:
        start: the field, world units.
        fresh: the network before it has learnt.
        radius: half the side of the cube whose places are -1..1, world units.
    """

    def __init__(self, start: FieldLookup, fresh: FreshNetwork, radius: float) -> None:
        super().__init__()
        self.start, self.fresh, self.radius = start, fresh, radius

    @torch.no_grad()
    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3) world points to (n,) distances and their slopes (n, 3)."""
        distance, slope = self.start.with_slopes(points)
        said, rising = self.fresh(points / self.radius)
        return distance - said, slope - rising / self.radius
