"""Samples along rays at a constant step, where the occupancy grid says there may be surface (needs torch).

Source: ``teethdreamer-spec.md``, section 6.5. All rays of a batch are stepped at once: because steps are
whole, skipping empty cells and testing every step give the same samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

#: Steps of all rays that are looked up at a time, a bound on memory.
_AT_ONCE = 8_000_000
_MISS = 1e10


@dataclass(frozen=True, eq=False)
class Samples:
    """m samples of n rays, ordered by ray and along it.

    Attributes:
        ray: (m,) which ray.
        start: (m,) distance at which each begins, world units.
        end: (m,) and ends.
        place: (m,) number within its ray, counted from 0.
        most: largest number of samples of a ray.
    """

    ray: Tensor
    start: Tensor
    end: Tensor
    place: Tensor
    most: int

    @property
    def middle(self) -> Tensor:
        """(m,) distance of the middles."""
        return (self.start + self.end) / 2


def box_bounds(origins: Tensor, directions: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Entry and exit distances (n,) of unit rays at the cube of half side ``radius``; 1e10 where missed."""
    inverse = 1.0 / torch.where(directions.abs() < 1e-12, torch.full_like(directions, 1e-12), directions)
    one, two = (-radius - origins) * inverse, (radius - origins) * inverse
    near = torch.minimum(one, two).amax(dim=1).clamp_min(0.0)
    far = torch.maximum(one, two).amin(dim=1)
    missed = far <= near
    return torch.where(missed, _MISS, near), torch.where(missed, _MISS, far)


def march(
    rays: tuple[Tensor, Tensor],
    bounds: tuple[Tensor, Tensor],
    step: float,
    occupied: Callable[[Tensor], Tensor],
) -> Samples:
    """Samples whose middle lies in an occupied cell.

    Args:
        rays: origins and unit directions, (n, 3) each.
        bounds: entry and exit distance, (n,) each; a start that was moved for jitter included.
        step: length of a sample, world units.
        occupied: (k, 3) points to (k,) booleans.
    """
    origins, directions = rays
    near, far = bounds
    hit = torch.nonzero(far < _MISS)[:, 0]
    count = int(torch.ceil(((far - near)[hit] / step).amax()).item()) if len(hit) else 0
    chunk = max(1, _AT_ONCE // max(count, 1))
    kept = [
        _steps(part, (origins[part], directions[part], near[part], far[part]), (step, count), occupied)
        for part in hit.split(chunk)
        if count
    ]
    if not kept:
        nothing = torch.zeros(0, device=origins.device)
        return Samples(nothing.long(), nothing, nothing, nothing.long(), 0)
    ray, start = (torch.cat(parts) for parts in zip(*kept, strict=True))
    per_ray = torch.bincount(ray, minlength=len(origins))
    place = torch.arange(len(ray), device=ray.device) - (torch.cumsum(per_ray, 0) - per_ray)[ray]
    return Samples(ray, start, start + step, place, int(per_ray.max()) if len(ray) else 0)


def _steps(
    part: Tensor,
    rays: tuple[Tensor, Tensor, Tensor, Tensor],
    step: tuple[float, int],
    occupied: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """Ray numbers and starts of the samples that some rays keep."""
    origins, directions, near, far = rays
    length, count = step
    start = near[:, None] + length * torch.arange(count, device=near.device)
    middle = start + length / 2
    inside = middle < far[:, None]
    points = origins[:, None] + middle[..., None] * directions[:, None]
    inside &= occupied(points.reshape(-1, 3)).reshape(inside.shape)
    which = inside.nonzero(as_tuple=True)
    return part[which[0]], start[which]
