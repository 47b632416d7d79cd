"""Multi-resolution hash grid in plain PyTorch: the path that always works (needs torch).

Layout of levels and indices follows the common convention (dense while a level fits, else an XOR hash),
so that parameters of other implementations fit. Besides its features the grid gives their derivative to
the position in closed form, so that losses on gradients need no second-order differentiation.
Source: Mueller et al. 2022, "Instant Neural Graphics Primitives"; ``teethdreamer-spec.md``, section 6.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

#: Scale, nodes along an edge, entries and first row of a level.
Shape = tuple[float, int, int, int]
_PRIMES = (1, 2654435761, 805459861)
_WORD = 0xFFFFFFFF
_START = 1e-4
#: The eight corners of a cell, x fastest.
_CORNERS = torch.tensor([[c & 1, (c >> 1) & 1, (c >> 2) & 1] for c in range(8)])


@dataclass(frozen=True)
class HashGridSpec:
    """Sizes of a hash grid.

    Attributes:
        levels: number of resolutions.
        features: numbers per entry.
        log2_table: logarithm of the largest number of entries per level.
        base: coarsest resolution.
        growth: ratio of successive resolutions.
    """

    levels: int = 16
    features: int = 2
    log2_table: int = 19
    base: int = 32
    growth: float = 1.3195079107728942

    @cached_property
    def scales(self) -> tuple[float, ...]:
        """Cells along the unit cube, per level.

        The published sizes come from a logarithm in single precision that is two units too large; without
        it the finest level would have 2048 nodes along an edge instead of 2049.
        """
        step = np.float32(np.log2(self.growth))
        for _ in range(2):
            step = np.nextafter(step, np.float32(np.inf))
        return tuple(
            float(np.exp2(np.float32(level) * step) * np.float32(self.base) - np.float32(1))
            for level in range(self.levels)
        )

    @cached_property
    def resolutions(self) -> tuple[int, ...]:
        """Nodes along an edge, per level."""
        return tuple(int(np.ceil(scale)) + 1 for scale in self.scales)

    @cached_property
    def entries(self) -> tuple[int, ...]:
        """Table length per level: all nodes rounded up to a multiple of eight, or the largest table."""
        return tuple(min(-(-(r**3) // 8) * 8, 2**self.log2_table) for r in self.resolutions)

    @property
    def width(self) -> int:
        """Numbers per position."""
        return self.levels * self.features


class Encoding(nn.Module):
    """What turns positions into features.

    Attributes:
        width: numbers per position.
        active: levels that count, where there are levels.
    """

    width: int
    active: int = 0

    def values(self, unit: Tensor) -> Tensor:
        """(n, 3) in the unit cube to (n, w) features alone."""
        raise NotImplementedError


class HashGrid(Encoding):
    """The grid; positions lie in the unit cube, others are extrapolated.

    Args:
        spec: sizes.
        look_up: what finds values and slopes; `Lookup`, or another of the same numbers.
    """

    def __init__(self, spec: HashGridSpec, look_up: type[torch.autograd.Function] | None = None) -> None:
        super().__init__()
        self.spec, self._look_up = spec, look_up or Lookup
        start = torch.empty(sum(spec.entries), spec.features).uniform_(-_START, _START)
        self.table = nn.Parameter(start)
        offsets = np.cumsum([0, *spec.entries[:-1]])
        self.active, self.width = spec.levels, spec.width
        self._shape: list[Shape] = list(
            zip(spec.scales, spec.resolutions, spec.entries, map(int, offsets), strict=True)
        )

    @torch.no_grad()
    def values(self, unit: Tensor) -> Tensor:
        """(n, w) features alone at (n, 3), without gradients to the table."""
        out = unit.new_zeros(len(unit), self.spec.width)
        f = self.spec.features
        for level, shape in enumerate(self._shape[: self.active]):
            rows, inside = cell_of(unit, shape)
            weight, _ = corner_weights(inside)
            out[:, level * f : (level + 1) * f] = (self.table[rows] * weight[..., None]).sum(dim=1)
        return out

    def forward(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Features and their derivative.

        Args:
            unit: (n, 3) in the unit cube.

        Returns:
            (n, w) features; (n, w, 3) derivative to ``unit``. Levels that are not active are zero.
        """
        features, slopes = self._look_up.apply(self.table, unit.detach(), self._shape[: self.active])
        missing = self.spec.width - features.shape[1]
        if missing:
            features = nn.functional.pad(features, (0, missing))
            slopes = nn.functional.pad(slopes, (0, 0, 0, missing))
        return features, slopes


def cell_of(unit: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Table rows (n, 8) of the corners around positions (n, 3), and the place (n, 3) between them."""
    scale, resolution, entries, offset = shape
    place = unit * scale + 0.5
    low = torch.floor(place)
    corners = low.to(torch.int64)[:, None, :] + _CORNERS.to(unit.device)
    if resolution**3 <= entries:
        rows = corners[..., 0] + corners[..., 1] * resolution + corners[..., 2] * resolution**2
    else:
        rows = corners[..., 0] * _PRIMES[0] ^ corners[..., 1] * _PRIMES[1] ^ corners[..., 2] * _PRIMES[2]
    return (rows & _WORD) % entries + offset, place - low


def corner_weights(inside: Tensor) -> tuple[Tensor, Tensor]:
    """Trilinear weights (n, 8) of places (n, 3) in a cell, and their derivative (n, 8, 3)."""
    both = torch.stack([1 - inside, inside], dim=-1)  # (n, 3, 2)
    bits = _CORNERS.to(inside.device)
    x, y, z = (both[:, k, bits[:, k]] for k in range(3))
    sign = (2 * bits - 1).to(inside.dtype)
    return x * y * z, torch.stack([y * z * sign[:, 0], x * z * sign[:, 1], x * y * sign[:, 2]], dim=-1)


class Lookup(torch.autograd.Function):
    """Interpolated table entries and their derivative; differentiable to the table alone."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, unit: Tensor, shapes: list[Shape]) -> Any:
        """(n, levels * f) and (n, levels * f, 3)."""
        values, slopes, rows_of = [], [], []
        for shape in shapes:
            rows, inside = cell_of(unit, shape)
            found = table.detach()[rows]  # (n, 8, f)
            weight, rate = corner_weights(inside)
            values.append((found * weight[..., None]).sum(dim=1))
            slopes.append(torch.einsum("ncf,nck->nfk", found, rate) * shape[0])
            rows_of.append(rows)
        ctx.save_for_backward(unit, *rows_of)
        ctx.shapes, ctx.size = shapes, table.shape
        return torch.cat(values, dim=1), torch.cat(slopes, dim=1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Spread gradients back onto the corners."""
        unit, *rows_of = ctx.saved_tensors
        of_value, of_slope = grads
        out = torch.zeros(ctx.size, dtype=of_value.dtype, device=of_value.device)
        f = ctx.size[1]
        for level, (shape, rows) in enumerate(zip(ctx.shapes, rows_of, strict=True)):
            inside = unit * shape[0] + 0.5
            weight, rate = corner_weights(inside - torch.floor(inside))
            part = slice(level * f, (level + 1) * f)
            spread = weight[..., None] * of_value[:, None, part]
            spread = spread + torch.einsum("nck,nfk->ncf", rate * shape[0], of_slope[:, part])
            out.index_add_(0, rows.reshape(-1), spread.reshape(-1, f))
        return out, None, None
