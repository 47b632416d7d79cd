"""Random rays of random views (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from teethscape.surface.neus.losses import RayTargets
from teethscape.surface.views import Views


@dataclass(frozen=True, eq=False)
class RayBatch:
    """n rays and what they should see.

    Attributes:
        origins: (n, 3) in the box's units.
        directions: (n, 3) unit.
        targets: without background yet.
    """

    origins: Tensor
    directions: Tensor
    targets: RayTargets


class RayBank:
    """All rays of some views, moved into a cube of half side 0.5 about the origin.

    Args:
        views: where they come from.
        moves: middle (3,) of the box and its longest side, world units.
        device: where they are kept.
    """

    def __init__(self, views: Views, moves: tuple[np.ndarray, float], device: torch.device) -> None:
        middle, side = moves
        count = len(views)

        def kept(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(device)

        directions = np.stack([views.directions(k) for k in range(count)])
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        self.pixels = int(np.prod(views.size))
        self.views = count
        self.device = device
        self._centres = kept((views.centres - middle) / side)
        self._directions = kept(directions.reshape(-1, 3))
        self._colours = kept(views.filled_colours().reshape(-1, 3))
        self._colour_mask = kept(views.colour_mask.reshape(-1))
        self._foreground = kept(views.foreground.reshape(-1))
        self._normals = None if views.normals is None else kept(views.normals.reshape(-1, 3))
        # Most of a picture is background far from the object, which the masks' hull keeps out anyway.
        self._near = _near_mask(views, device)

    def random(self, count: int, near_only: bool) -> RayBatch:
        """Rays of random views and pixels; ``near_only``: in or near the masks."""
        if near_only:
            index = self._near[torch.randint(len(self._near), (count,), device=self.device)]
        else:
            index = torch.randint(self.views * self.pixels, (count,), device=self.device)
        return self.at(index)

    def at(self, index: Tensor) -> RayBatch:
        """Rays by flat number: view times pixels plus pixel."""
        directions = self._directions[index]
        normals = None if self._normals is None else self._normals[index]
        targets = RayTargets(
            self._colours[index], self._colour_mask[index], self._foreground[index], normals, directions,
            torch.ones(len(index), device=self.device),
        )  # fmt: skip
        return RayBatch(self._centres[index // self.pixels], directions, targets)


def _near_mask(views: Views, device: torch.device) -> Tensor:
    """Flat numbers of the pixels within a sixteenth of the picture's height of a mask."""
    reach = max(3, views.size[0] // 16)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near = [cv2.dilate((mask > 0.5).astype(np.uint8), kernel) > 0 for mask in views.foreground]
    return torch.from_numpy(np.flatnonzero(np.stack(near))).to(device)
