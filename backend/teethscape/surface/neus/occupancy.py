"""Which cells of the box may hold surface (needs torch). Source: ``teethdreamer-spec.md``, section 6.5."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_LARGEST_THRESHOLD = 1e-3
#: Steps between updates.
EVERY = 16
_CHUNK = 1 << 18


@dataclass(frozen=True)
class OccupancyRules:
    """How cells are looked at; the defaults are the published ones.

    Attributes:
        decay: of a cell's opacity at each look.
        warm_up: steps in which all cells are looked at.
        share: of all cells that are drawn in a later look, and of the occupied ones at most.
        hollow: inside counts as outside does, so that the body's core is no surface.
    """

    decay: float = 0.95
    warm_up: int = 256
    share: float = 0.25
    hollow: bool = False


PUBLISHED = OccupancyRules()
#: Of a field that begins near its surface: cells far from it need not be looked at often, those that it
#: has left are dropped soon, and behind a shell as thick as the surface is blurred no ray sees anything.
STARTED = OccupancyRules(decay=0.7, warm_up=1, share=1 / 16, hollow=True)


class Occupancy(nn.Module):
    """A grid of opacities that decay, and the cells that are above the threshold.

    Args:
        radius: half the side of the box, world units.
        resolution: cells along a side.
        rules: how cells are looked at.
    """

    def __init__(self, radius: float, resolution: int = 128, rules: OccupancyRules = PUBLISHED) -> None:
        super().__init__()
        self.radius, self.resolution, self.rules = radius, resolution, rules
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
        self.occs[cells] = torch.maximum(self.rules.decay * self.occs[cells], found)
        self.binary = self.occs > self.occs.mean().clamp_max(_LARGEST_THRESHOLD)

    def _chosen(self, step: int) -> Tensor:
        device, total = self.occs.device, self.resolution**3
        if step < self.rules.warm_up:
            return torch.arange(total, device=device)
        share = int(total * self.rules.share)
        uniform = torch.randint(total, (share,), device=device)
        full = self.binary.nonzero()[:, 0]
        if len(full) > share:
            full = full[torch.randint(len(full), (share,), device=device)]
        return torch.cat([uniform, full])


def resting_opacity(sdf: Tensor, inv_s: Tensor, step: float) -> Tensor:
    """(n,) opacity of a sample of length ``step`` that a ray crosses head-on."""
    before, after = torch.sigmoid((sdf + step / 2) * inv_s), torch.sigmoid((sdf - step / 2) * inv_s)
    return ((before - after + 1e-5) / (before + 1e-5)).clamp(0.0, 1.0)
