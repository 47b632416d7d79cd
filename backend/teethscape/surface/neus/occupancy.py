"""Which cells of the box may hold surface (needs torch). Source: ``teethdreamer-spec.md``, section 6.5."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

_DECAY, _LARGEST_THRESHOLD = 0.95, 1e-3
#: Steps with all cells, steps between updates, cells per later update (as a share of all).
_WARM_UP, EVERY, _SHARE = 256, 16, 0.25
_CHUNK = 1 << 18


class Occupancy(nn.Module):
    """A grid of opacities that decay, and the cells that are above the threshold.

    Args:
        radius: half the side of the box, world units.
        resolution: cells along a side.
    """

    def __init__(self, radius: float, resolution: int = 128) -> None:
        super().__init__()
        self.radius, self.resolution = radius, resolution
        self.occs: Tensor
        self.binary: Tensor
        self.register_buffer("occs", torch.zeros(resolution**3))
        self.register_buffer("binary", torch.ones(resolution**3, dtype=torch.bool))

    def occupied(self, points: Tensor) -> Tensor:
        """(n,) whether (n, 3) world points lie in occupied cells; outside the box nothing is."""
        cell = torch.floor((points + self.radius) / (2 * self.radius) * self.resolution).long()
        inside = ((cell >= 0) & (cell < self.resolution)).all(dim=1)
        cell = cell.clamp(0, self.resolution - 1)
        return inside & self.binary[self._flat(cell)]

    def _flat(self, cell: Tensor) -> Tensor:
        return (cell[:, 0] * self.resolution + cell[:, 1]) * self.resolution + cell[:, 2]

    def points(self, cells: Tensor, jitter: Tensor | float) -> Tensor:
        """(n, 3) world points in flat cells (n,), ``jitter`` 0..1 into each."""
        r = self.resolution
        index = torch.stack([cells // (r * r), cells // r % r, cells % r], dim=1)
        return (index + jitter) / r * (2 * self.radius) - self.radius

    def is_due(self, step: int) -> bool:
        """Whether the grid is updated before this step."""
        return step % EVERY == 0

    @torch.no_grad()
    def update(self, step: int, opacity: Callable[[Tensor], Tensor]) -> None:
        """Look at all cells (later at some) and keep what is opaque.

        Args:
            step: of the training.
            opacity: (n, 3) world points to (n,) opacity of a sample there.
        """
        cells = self._chosen(step)
        jitter = torch.rand(len(cells), 3, device=self.occs.device)
        self.merge(cells, self.points(cells, jitter), opacity)

    @torch.no_grad()
    def merge(self, cells: Tensor, points: Tensor, opacity: Callable[[Tensor], Tensor]) -> None:
        """Let (n,) cells know what stands at (n, 3) points in them."""
        found = torch.cat([opacity(part) for part in points.split(_CHUNK)])
        self.occs[cells] = torch.maximum(_DECAY * self.occs[cells], found)
        self.binary = self.occs > self.occs.mean().clamp_max(_LARGEST_THRESHOLD)

    def _chosen(self, step: int) -> Tensor:
        device, total = self.occs.device, self.resolution**3
        if step < _WARM_UP:
            return torch.arange(total, device=device)
        share = int(total * _SHARE)
        uniform = torch.randint(total, (share,), device=device)
        full = self.binary.nonzero()[:, 0]
        if len(full) > share:
            full = full[torch.randint(len(full), (share,), device=device)]
        return torch.cat([uniform, full])


def resting_opacity(sdf: Tensor, inv_s: Tensor, step: float) -> Tensor:
    """(n,) opacity of a sample of length ``step`` that a ray crosses head-on."""
    before, after = torch.sigmoid((sdf + step / 2) * inv_s), torch.sigmoid((sdf - step / 2) * inv_s)
    return ((before - after + 1e-5) / (before + 1e-5)).clamp(0.0, 1.0)
