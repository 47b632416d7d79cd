"""The signed distance network of GS-Pull and the pull itself (needs torch).

Source: ``gspull-spec.md``, section 3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from teethscape.surface.neus.fields import NormedLinear

_SKIP = 4
#: Radius of the sphere that the fresh network describes, normalised units.
_RADIUS = 0.25


def _start_as_sphere(layers: list[NormedLinear], width: int) -> None:
    for layer in layers[:-1]:
        shape = layer.weight_v.shape
        layer.set_weight(torch.empty(shape).normal_(0.0, math.sqrt(2 / shape[0])))
    last = layers[-1]
    mean = math.sqrt(math.pi) / math.sqrt(width)
    last.set_weight(torch.empty(last.weight_v.shape).normal_(mean, 1e-4))
    nn.init.constant_(last.bias, -_RADIUS)


class PullNetwork(nn.Module):
    """(n, 3) to (n,) signed distance: eight ReLU layers, the input again before the fifth.

    Args:
        width: of the hidden layers.
        depth: number of hidden layers.
    """

    def __init__(self, width: int = 256, depth: int = 8) -> None:
        super().__init__()
        self.depth = depth
        layers: list[NormedLinear] = []
        for k in range(depth + 1):
            inputs = 3 if k == 0 else width
            outputs = 1 if k == depth else width - 3 if k + 1 == _SKIP else width
            layers.append(NormedLinear(inputs, outputs))
        self.layers = nn.ModuleList(layers)
        _start_as_sphere(layers, width)

    def forward(self, points: Tensor) -> Tensor:
        """Signed distance, negative inside."""
        hidden = points
        for k, layer in enumerate(self.layers):
            if k == _SKIP:
                hidden = torch.cat([hidden, points], dim=1) / math.sqrt(2)
            hidden = layer(hidden)
            if k < self.depth:
                hidden = torch.relu(hidden)
        return hidden[:, 0]


def distance_and_slope(network: nn.Module, points: Tensor, learn: bool = True) -> tuple[Tensor, Tensor]:
    """Distance (n,) and its derivative (n, 3) at points; ``learn`` keeps both differentiable."""
    points = points if points.requires_grad else points.detach().requires_grad_(True)
    with torch.enable_grad():
        distance = network(points)
        (slope,) = torch.autograd.grad(distance.sum(), points, create_graph=learn, retain_graph=learn)
    return (distance, slope) if learn else (distance.detach(), slope)


def pulled(network: nn.Module, points: Tensor, learn: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Points (n, 3) moved onto the zero set, their distances (n,) and unit normals (n, 3)."""
    distance, slope = distance_and_slope(network, points, learn)
    normal = normalize(slope, dim=1)
    return points - distance[:, None] * normal, distance, normal
