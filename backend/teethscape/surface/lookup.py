"""A field on a grid, looked up at any point (needs torch): what NeuS and GS-Pull begin with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from teethscape.surface.grid.field import GridField
from teethscape.surface.mesh.marching import Array


class FieldLookup(nn.Module):
    """A field on a grid at any point: trilinear inside, growing by the distance outside.

    Args:
        field: values and places in one unit.
    """

    values: Tensor
    low: Tensor

    def __init__(self, field: GridField) -> None:
        super().__init__()
        self.shape, self.pitch = field.values.shape, field.pitch
        self.register_buffer("values", torch.from_numpy(field.values.ravel().copy()), persistent=False)
        self.register_buffer("low", torch.from_numpy(np.asarray(field.low, np.float32)), persistent=False)

    @staticmethod
    def moved(field: GridField, middle: Array, side: float) -> FieldLookup:
        """A field, mm, in units of a cube with that middle (3,) and side, mm."""
        values = (field.values / np.float32(side)).astype(np.float32)
        return FieldLookup(GridField(values, (field.low - middle) / side, field.pitch / side))

    def forward(self, points: Tensor) -> Tensor:
        """(n, 3) to (n,); twice differentiable to the points within a cell."""
        corners, part, beyond = self._cell(points)
        along_x = _between(corners, part[:, 0])
        return _between(_between(along_x, part[:, 1]), part[:, 2])[:, 0] + _length(beyond) * self.pitch

    @torch.no_grad()
    def with_slopes(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3) to (n,) and the slopes (n, 3) there, neither of them differentiable."""
        corners, part, beyond = self._cell(points)
        x, y, z = part.unbind(dim=1)
        along_x = _between(corners, x)
        along_y = _between(along_x, y)
        steps = torch.cat(
            [
                _between(_between(corners[:, 4:] - corners[:, :4], y), z),
                _between(along_x[:, 2:] - along_x[:, :2], z),
                along_y[:, 1:] - along_y[:, :1],
            ],
            dim=1,
        )
        value = _between(along_y, z)[:, 0] + _length(beyond) * self.pitch
        # Beyond its end along an axis the grid says nothing of that axis.
        slopes = torch.where(beyond == 0, steps / self.pitch, 0.0)
        return value, slopes + nn.functional.normalize(beyond, dim=1)

    def _cell(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values (n, 8) at the corners of cells, places (n, 3) in them, and how far (n, 3) beyond the grid.

        Corners count with z fastest; what is beyond is in nodes.
        """
        last = torch.tensor(self.shape, device=points.device) - 1
        place = (points - self.low) / self.pitch
        inside = torch.minimum(place.clamp(min=0), last)
        node = torch.minimum(inside.detach().floor().long(), last - 1)
        steps = torch.tensor([self.shape[1] * self.shape[2], self.shape[2], 1], device=points.device)
        corners = torch.cartesian_prod(*3 * [torch.arange(2, device=points.device)])
        rows = (node * steps).sum(dim=1)[:, None] + (corners * steps).sum(dim=1)
        return self.values[rows], inside - node, place - inside


def _length(ways: Tensor) -> Tensor:
    """(n,) lengths of (n, 3) ways; also one of nothing has a second slope, which pulling needs."""
    is_some = (ways != 0).any(dim=1)
    return torch.where(is_some, torch.where(is_some[:, None], ways, 1.0).norm(dim=1), 0.0)


def _between(values: Tensor, part: Tensor) -> Tensor:
    """(n, k) means of the first and the second half of (n, 2 k) values, at parts (n,) of the way."""
    first, second = values.chunk(2, dim=1)
    return first + (second - first) * part[:, None]
