"""A distance that begins exactly as a known field: the network learns only what to add (needs torch).

A ReLU network of the published form needs thousands of steps before it knows gaps between teeth; hull and
fitted arch know them at once.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from teethscape.surface.gspull.sdf import PullNetwork


class FieldLookup(nn.Module):
    """A field on a grid at any point: trilinear inside, growing by the distance outside.

    Args:
        values: (x, y, z) at the nodes.
        low: (3,) place of node 0.
        pitch: distance of nodes; all in the units of the points.
    """

    values: Tensor
    low: Tensor

    def __init__(self, values: NDArray[np.float32], low: NDArray[np.floating], pitch: float) -> None:
        super().__init__()
        self.shape, self.pitch = values.shape, pitch
        self.register_buffer("values", torch.from_numpy(values.ravel().copy()), persistent=False)
        self.register_buffer("low", torch.from_numpy(np.asarray(low, np.float32)), persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """(n, 3) to (n,); twice differentiable to the points within a cell."""
        last = torch.tensor(self.shape, device=points.device) - 1
        place = (points - self.low) / self.pitch
        inside = torch.minimum(place.clamp(min=0), last)
        over = place - inside
        is_over = (over != 0).any(dim=1)
        # A length of nothing has no second slope, which the way to pulled places needs.
        length = torch.where(is_over[:, None], over, 1.0).norm(dim=1)
        beyond = torch.where(is_over, length, 0.0) * self.pitch
        node = torch.minimum(inside.detach().floor().long(), last - 1)
        part = inside - node
        total = torch.zeros_like(beyond)
        for corner in range(8):
            bits = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2 & 1], device=points.device)
            x, y, z = (node + bits).unbind(dim=1)
            weight = torch.where(bits.bool(), part, 1 - part).prod(dim=1)
            total = total + weight * self.values[(x * self.shape[1] + y) * self.shape[2] + z]
        return total + beyond


class StartedNetwork(nn.Module):
    """The field that is known, and what a network has learnt since it was fresh.

    Args:
        start: the known field.
        network: fresh.
    """

    def __init__(self, start: FieldLookup, network: PullNetwork) -> None:
        super().__init__()
        self.start, self.network = start, network
        self.fresh = copy.deepcopy(network).requires_grad_(False)

    def forward(self, points: Tensor) -> Tensor:
        """(n, 3) to (n,) signed distance, negative inside."""
        return self.start(points) + (self.network(points) - self.fresh(points))
