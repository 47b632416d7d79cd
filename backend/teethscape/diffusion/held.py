"""Views that stay as they are while the others are painted again (needs torch).

A step of the sampling looks at all sixteen pictures at one level of noise, and what it was trained on had
that level in every one. So the held pictures are encoded once and stand at every step as their noised
selves, with fresh noise each time as the sampling itself adds it; through the shared volume the others are
drawn towards what they show. This is the replacement of the known part of Lugmayr et al., "RePaint",
CVPR 2022, without its jumps back. Only the new pictures go through the large network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from teethscape.diffusion.pictures import Floats
from teethscape.diffusion.schedule import noised


@dataclass(frozen=True, eq=False)
class Held:
    """Pictures of a jaw of which some stay.

    Attributes:
        pictures: (2 * views, 3, h, w) from -1 to 1, colours, then normals.
        views: numbers of the views that stay, in both domains.
    """

    pictures: Floats
    views: frozenset[int]

    @property
    def rows(self) -> list[int]:
        """Numbers of the pictures that stay."""
        count = len(self.pictures) // 2
        return [row for row in range(2 * count) if row % count in self.views]


@dataclass(frozen=True, eq=False)
class Hold:
    """Held pictures as latents.

    Attributes:
        rows: numbers of the pictures that stay.
        clean: (rows, 4, h, w) their latents times the latent scale.
    """

    rows: list[int]
    clean: Tensor | None = None

    def others(self, count: int) -> list[int]:
        """Numbers of the pictures that are painted, of ``count``."""
        return [row for row in range(count) if row not in self.rows]

    def at(self, latents: Tensor, time: int, generator: torch.Generator) -> Tensor:
        """Latents (1, n, 4, h, w) with the held ones as noisy as a time wants it."""
        if self.clean is None:
            return latents
        noise = torch.randn(self.clean.shape, generator=generator).to(self.clean)
        times = torch.full((len(self.rows),), time, device=self.clean.device)
        return self._put(latents, noised(self.clean, noise, times))

    def clear(self, latents: Tensor) -> Tensor:
        """Latents with the held ones without noise."""
        return latents if self.clean is None else self._put(latents, self.clean)

    def _put(self, latents: Tensor, held: Tensor) -> Tensor:
        out = latents.clone()
        out[0, self.rows] = held.to(latents)
        return out
