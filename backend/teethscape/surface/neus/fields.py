"""Signed distance, colour and sharpness (needs torch). Names of tensors are those of the published model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from teethscape.surface.lookup import FieldLookup
from teethscape.surface.neus.hash_grid import Encoding

#: Sharpness of the softplus between the two layers of the distance network.
_BETA = 100.0
_HIDDEN = 64
#: The published network: distance and twelve more numbers for the colour.
FEATURES = 13


class NormedLinear(nn.Module):
    """A linear layer whose rows have a length and a direction (weight normalisation)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight_v = nn.Parameter(torch.empty(outputs, inputs))
        self.weight_g = nn.Parameter(torch.empty(outputs, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def set_weight(self, weight: Tensor) -> None:
        """Take (outputs, inputs) as the effective weight."""
        with torch.no_grad():
            self.weight_v.copy_(weight)
            self.weight_g.copy_(weight.norm(dim=1, keepdim=True))

    @property
    def weight(self) -> Tensor:
        """(outputs, inputs) the effective weight."""
        return self.weight_v * (self.weight_g / self.weight_v.norm(dim=1, keepdim=True))

    def forward(self, values: Tensor) -> Tensor:
        """(n, inputs) to (n, outputs)."""
        return nn.functional.linear(values, self.weight, self.bias)


class _Layers(nn.Module):
    """Layers under the published names ``layers.0``, ``layers.2`` ..."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({str(2 * k): layer for k, layer in enumerate(layers)})


@dataclass(frozen=True, eq=False)
class Distances:
    """The field at n points.

    Attributes:
        sdf: (n,) signed distance, world units, negative inside.
        gradient: (n, 3) its derivative to the world position.
        feature: (n, 13) what the colour network takes, the distance first.
    """

    sdf: Tensor
    gradient: Tensor
    feature: Tensor


class SdfField(nn.Module):
    """Position to signed distance: an encoding and two layers, started as a sphere.

    The gradient is written out (chain rule through both layers and the encoding), so a loss on it
    needs one ordinary backward pass.

    Args:
        encoding: gives features and derivatives of positions in the unit cube.
        radius: half the side of the cube that is mapped to the unit cube, world units.
    """

    def __init__(self, encoding: Encoding, radius: float) -> None:
        super().__init__()
        self.encoding, self.radius = encoding, radius
        self.network = _Layers([NormedLinear(3 + encoding.width, _HIDDEN), NormedLinear(_HIDDEN, FEATURES)])
        self.begun: FieldLookup | None = None
        self._start_as_sphere()

    def begin_at(self, start: FieldLookup) -> None:
        """Begin as a field (world units): the network, made anew, adds next to nothing to it at first.

        It hears of the encoding alone, whose features are next to zero.
        """
        first, last = self._two()
        weight = torch.zeros_like(first.weight_v)
        weight[:, 3:].normal_(0.0, math.sqrt(2) / math.sqrt(_HIDDEN))
        first.set_weight(weight)
        last.set_weight(torch.empty_like(last.weight_v).normal_(0.0, 1 / math.sqrt(_HIDDEN)))
        with torch.no_grad():
            last.bias.copy_(-last.weight.sum(dim=1) * math.log(2) / _BETA)  # softplus at zero
        self.begun = start

    def _start_as_sphere(self) -> None:
        first, last = self._two()
        weight = torch.zeros_like(first.weight_v)
        weight[:, :3].normal_(0.0, math.sqrt(2) / math.sqrt(_HIDDEN))
        first.set_weight(weight)
        last.set_weight(torch.empty_like(last.weight_v).normal_(math.sqrt(math.pi / _HIDDEN), 1e-4))
        nn.init.constant_(last.bias, -0.5)

    def _two(self) -> tuple[NormedLinear, NormedLinear]:
        layers = self.network.layers
        return layers["0"], layers["2"]  # pyright: ignore[reportReturnType] - as made above

    def forward(self, points: Tensor) -> Distances:
        """Distance, gradient and feature at (n, 3) world points."""
        unit = (points + self.radius) / (2 * self.radius)
        found, chain = self.encoding.chained(unit)
        first, last = self._two()
        weight = first.weight
        inner = nn.functional.linear(torch.cat([2 * unit - 1, found], dim=1), weight, first.bias)
        last_weight = last.weight
        feature = nn.functional.linear(nn.functional.softplus(inner, beta=_BETA), last_weight, last.bias)
        back = (torch.sigmoid(_BETA * inner) * last_weight[0]) @ weight  # (n, 3 + w)
        gradient = 2 * back[:, :3] + chain(back[:, 3:])
        return self._begun_at(points, feature, gradient / (2 * self.radius))

    def _begun_at(self, points: Tensor, feature: Tensor, gradient: Tensor) -> Distances:
        """What the network says at (n, 3) points, and what it began as."""
        if self.begun is None:
            return Distances(feature[:, 0], gradient, feature)
        distance, slope = self.begun.with_slopes(points)
        feature = _with_distance(feature, distance)
        return Distances(feature[:, 0], gradient + slope, feature)

    def looked_up(self, points: Tensor) -> Tensor:
        """(n, 13) features alone, the distance first; half the work, for looking rather than learning."""
        unit = (points + self.radius) / (2 * self.radius)
        first, last = self._two()
        found = self.encoding.values(unit)
        inner = nn.functional.linear(torch.cat([2 * unit - 1, found], dim=1), first.weight, first.bias)
        feature = nn.functional.linear(nn.functional.softplus(inner, beta=_BETA), last.weight, last.bias)
        return feature if self.begun is None else _with_distance(feature, self.begun(points))

    def sdf(self, points: Tensor) -> Tensor:
        """(n,) distances alone."""
        return self.looked_up(points)[:, 0]


def _with_distance(feature: Tensor, more: Tensor) -> Tensor:
    """(n, 13) features whose distance, the first, is larger by (n,)."""
    return torch.cat([feature[:, :1] + more[:, None], feature[:, 1:]], dim=1)


class TextureField(nn.Module):
    """Feature to colour; it sees neither direction nor normal."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Linear(FEATURES, _HIDDEN), nn.Linear(_HIDDEN, _HIDDEN), nn.Linear(_HIDDEN, 3)]
        for layer in layers:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        self.network = _Layers(list(layers))

    def forward(self, feature: Tensor) -> Tensor:
        """(n, 13) to (n, 3) RGB 0..1."""
        layers = self.network.layers
        hidden = torch.relu(layers["0"](feature))
        return torch.sigmoid(layers["4"](torch.relu(layers["2"](hidden))))


class Sharpness(nn.Module):
    """One number: how narrow the surface is, ``inv_s = exp(10 v)``."""

    def __init__(self, start: float = 0.3) -> None:
        super().__init__()
        self.variance = nn.Parameter(torch.tensor(start))

    def forward(self) -> Tensor:
        """Inverse standard deviation, world units, clipped to what floats bear."""
        return torch.exp(10.0 * self.variance).clamp(1e-6, 1e6)


class NeusModel(nn.Module):
    """The three parts under their published names.

    Args:
        encoding: of positions.
        radius: of the distance field's cube, world units.
        sharpness: at the start.
    """

    def __init__(self, encoding: Encoding, radius: float, sharpness: float = 0.3) -> None:
        super().__init__()
        self.geometry = SdfField(encoding, radius)
        self.texture = TextureField()
        self.variance = Sharpness(sharpness)

    @property
    def parts(self) -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
        """What learns at rates of its own: hash grid, distance network, texture, sharpness."""
        return self.geometry.encoding, self.geometry.network, self.texture, self.variance
