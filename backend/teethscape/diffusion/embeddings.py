"""Times and views as numbers (specification, section 2.4; needs torch)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


def sinusoid(times: Tensor, width: int) -> Tensor:
    """(n, width) cosines, then sines, of times (n,) at falling frequencies."""
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=times.device)
    angles = times[:, None].float() * torch.exp(-math.log(10000) * steps / half)
    return torch.cat([angles.cos(), angles.sin()], -1)


def time_layers(width: int) -> nn.Sequential:
    """The layers between a time's sinusoid and the volume networks."""
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))


@dataclass(frozen=True)
class ViewAngles:
    """Where cameras stand on their sphere, per case and view.

    Attributes:
        azimuth: (cases, views) radians.
        elevation: (cases, views) radians.
        distance: (cases, views) in extents of the jaw pair.
    """

    azimuth: Tensor
    elevation: Tensor
    distance: Tensor


def view_embedding(targets: ViewAngles, source: ViewAngles) -> Tensor:
    """(cases, 2 * views, 6) the targets relative to the occlusal photo; colours first, then normals.

    Args:
        targets: of the views to paint.
        source: (cases, 1) of the occlusal photo.
    """
    turn = targets.azimuth - source.azimuth
    # The published program counts elevations downwards, so the difference has the other sign.
    return flagged(turn, source.elevation - targets.elevation, targets.distance - source.distance)


def flagged(azimuth: Tensor, elevation: Tensor, distance: Tensor) -> Tensor:
    """(cases, 2 * views, 6) from differences (cases, views) with the flag of each domain."""
    shared = [elevation, azimuth.sin(), azimuth.cos(), distance]
    one, zero = torch.ones_like(azimuth), torch.zeros_like(azimuth)
    colours = torch.stack([*shared, one, zero], -1)
    normals = torch.stack([*shared, zero, one], -1)
    return torch.cat([colours, normals], 1)
