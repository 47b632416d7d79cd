"""What a rasteriser draws: Gaussians where they are, or elsewhere (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Splats(Protocol):
    """What a rasteriser draws: n Gaussians in the world."""

    def __len__(self) -> int:
        """How many."""
        ...

    @property
    def centres(self) -> Tensor:
        """(n, 3)."""
        ...

    @property
    def quaternions(self) -> Tensor:
        """(n, 4), w first, of any length."""
        ...

    @property
    def rotations(self) -> Tensor:
        """(n, 3, 3)."""
        ...

    @property
    def scales(self) -> Tensor:
        """(n, 3) standard deviations."""
        ...

    @property
    def opacity(self) -> Tensor:
        """(n,) 0..1."""
        ...


@dataclass(frozen=True, eq=False)
class Moved:
    """Gaussians that are drawn elsewhere than they are.

    Attributes:
        cloud: the Gaussians.
        centres: (n, 3) where each is drawn, world.
    """

    cloud: Splats
    centres: Tensor

    def __len__(self) -> int:
        return len(self.cloud)

    @property
    def quaternions(self) -> Tensor:
        """(n, 4), w first, of any length."""
        return self.cloud.quaternions

    @property
    def rotations(self) -> Tensor:
        """(n, 3, 3)."""
        return self.cloud.rotations

    @property
    def scales(self) -> Tensor:
        """(n, 3) standard deviations."""
        return self.cloud.scales

    @property
    def opacity(self) -> Tensor:
        """(n,) 0..1."""
        return self.cloud.opacity
