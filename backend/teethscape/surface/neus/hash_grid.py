"""Multi-resolution hash grid in plain PyTorch: the path that always works (needs torch).

Layout of levels and indices follows the common convention (dense while a level fits, else an XOR hash),
so that parameters of other implementations fit. Besides its features the grid gives their derivative to
the position in closed form, so that losses on gradients need no second-order differentiation.
Source: Mueller et al. 2022, "Instant Neural Graphics Primitives"; ``teethdreamer-spec.md``, section 6.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

#: Scale, nodes along an edge, entries and first row of a level.
Shape = tuple[float, int, int, int]
#: Derivatives (n, w) to features to those (n, 3) to positions.
Chain = Callable[[Tensor], Tensor]
_PRIMES = (1, 2654435761, 805459861)
_WORD = 0xFFFFFFFF
_START = 1e-4


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
        layout: of the parameters; those of a checkpoint fit encodings of the same layout.
    """

    layout = ""
    width: int
    active: int = 0

    def values(self, unit: Tensor) -> Tensor:
        """(n, 3) in the unit cube to (n, w) features alone."""
        raise NotImplementedError

    def chained(self, unit: Tensor) -> tuple[Tensor, Chain]:
        """(n, 3) in the unit cube to (n, w) features, and the chain rule through them.

        The rule takes (n, w) derivatives of something to the features and gives (n, 3) to the positions; it
        is differentiable to the table and to what it takes.
        """
        features, slopes = self(unit)
        return features, lambda derivative: torch.einsum("nw,nwk->nk", derivative, slopes)


class HashGrid(Encoding):
    """The grid; positions lie in the unit cube, others are extrapolated.

    Args:
        spec: sizes.
        look_up: what finds values and slopes; `Lookup`, or another of the same numbers.
    """

    layout = "table"

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
            found = nn.functional.embedding(rows, self.table).flatten(1)
            value, _ = _interpolated(found, _per_feature(inside, f))
            out[:, level * f : (level + 1) * f] = value.reshape(-1, f)
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
    """Table rows (8, n) of the corners around positions (n, 3), x fastest, and the place (3, n) in the cell.

    Positions come last everywhere here: then processors work on long rows of numbers.
    """
    scale, resolution, entries, offset = shape
    place = unit.T * scale + 0.5
    low = torch.floor(place)
    first = low.to(torch.int64)
    dense = resolution**3 <= entries
    factors = (1, resolution, resolution**2) if dense else _PRIMES
    x, y, z = (torch.stack([first[k], first[k] + 1]) * factor for k, factor in enumerate(factors))
    x, y, z = x[None, None], y[None, :, None], z[:, None, None]
    rows = (z + y + x if dense else z ^ y ^ x).reshape(8, -1) & _WORD
    return rows % entries + offset, place - low


def _interpolated(found: Tensor, inside: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Trilinear values and their derivatives to the place in the cell, one axis after the other.

    Args:
        found: (8, m) at the corners.
        inside: (3, m) place in the cell.

    Returns:
        (m,) and three times (m,).
    """
    x, y, z = inside
    cube = found.reshape(2, 2, 2, -1)  # z, y, x
    along_x = cube[:, :, 1] - cube[:, :, 0]
    at_x = torch.addcmul(cube[:, :, 0], along_x, x)
    along_y = at_x[:, 1] - at_x[:, 0]
    at_xy = torch.addcmul(at_x[:, 0], along_y, y)
    along_x = torch.addcmul(along_x[:, 0], along_x[:, 1] - along_x[:, 0], y)
    along_z = at_xy[1] - at_xy[0]
    slope_x, slope_y = (torch.addcmul(side[0], side[1] - side[0], z) for side in (along_x, along_y))
    return torch.addcmul(at_xy[0], along_z, z), (slope_x, slope_y, along_z)


def _spread(of_value: Tensor, of_slope: Tensor, inside: Tensor) -> Tensor:
    """(8, m) gradients at the corners from those (m,), (3, m) of `_interpolated`'s results."""
    x, y, z = inside
    at_xy = _ends(of_value, of_slope[2], z, 0)  # (2, m)
    along_x, along_y = (_ends(part, None, z, 0) for part in of_slope[:2])
    at_x = _ends(at_xy, along_y, y, 1)  # (2, 2, m)
    along_x = _ends(along_x, None, y, 1)
    return _ends(at_x, along_x, x, 2).reshape(8, -1)


def _ends(of_value: Tensor, of_step: Tensor | None, share: Tensor, dim: int) -> Tensor:
    """Gradients at the two ends of what was interpolated, along a new axis ``dim``."""
    high = of_value * share
    low = of_value - high
    if of_step is not None:
        high, low = high + of_step, low - of_step
    return torch.stack([low, high], dim=dim)


class Lookup(torch.autograd.Function):
    """Interpolated table entries and their derivative; differentiable to the table alone."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, unit: Tensor, shapes: list[Shape]) -> Any:
        """(n, levels * f) and (n, levels * f, 3)."""
        f, kept = table.shape[1], []
        values = unit.new_empty(len(unit), len(shapes), f)
        slopes = unit.new_empty(len(unit), len(shapes), f, 3)
        for level, shape in enumerate(shapes):
            rows, inside = cell_of(unit, shape)
            inside = _per_feature(inside, f)
            value, along = _interpolated(nn.functional.embedding(rows, table.detach()).flatten(1), inside)
            values[:, level] = value.reshape(-1, f)
            for axis, slope in enumerate(along):
                torch.mul(slope.reshape(-1, f), shape[0], out=slopes[:, level, :, axis])
            kept += [rows, inside]
        ctx.save_for_backward(*kept)
        ctx.scales, ctx.size = [shape[0] for shape in shapes], table.shape
        return values.flatten(1), slopes.flatten(1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Spread gradients back onto the corners."""
        kept, f = ctx.saved_tensors, ctx.size[1]
        of_value, of_slope = grads[0], grads[1].permute(2, 0, 1)
        out = torch.zeros(ctx.size, dtype=of_value.dtype, device=of_value.device)
        for level, scale in enumerate(ctx.scales):
            rows, inside = kept[2 * level], kept[2 * level + 1]
            part = slice(level * f, (level + 1) * f)
            slopes = (of_slope[:, :, part] * scale).reshape(3, -1)
            spread = _spread(of_value[:, part].reshape(-1), slopes, inside)
            out.index_add_(0, rows.reshape(-1), spread.reshape(-1, f))
        return out, None, None


def _per_feature(inside: Tensor, features: int) -> Tensor:
    """(3, n) places in cells, repeated for each feature of a position: (3, n f)."""
    return inside[..., None].expand(*inside.shape, features).reshape(len(inside), -1)
