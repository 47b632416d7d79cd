"""Stage 2 of GS-Pull: distance and Gaussians pull each other (needs torch).

Source: ``gspull-spec.md``, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from teethscape.surface.gspull import losses
from teethscape.surface.gspull.gaussians import Gaussians
from teethscape.surface.gspull.losses import DiskKernel
from teethscape.surface.gspull.sdf import pulled

_PULL, _TANGENT, _ORTHOGONAL = 0.05, 0.1, 0.01
_SOME = 4096


@dataclass(frozen=True, eq=False)
class Link:
    """How the cloud's world becomes the network's cube.

    Attributes:
        centre: (3,) world.
        scale: world units per cube unit.
    """

    centre: Tensor
    scale: float

    def cube(self, points: Tensor) -> Tensor:
        """(n, 3) world to cube."""
        return (points - self.centre) / self.scale

    def world(self, points: Tensor) -> Tensor:
        """(n, 3) cube to world."""
        return points * self.scale + self.centre


def coupling_loss(network: nn.Module, cloud: Gaussians, link: Link, disk: tuple[DiskKernel, float]) -> Tensor:
    """What ties Gaussians to the distance: their centres are pulled, their disks lie in the surface.

    Args:
        network: distance.
        cloud: Gaussians.
        link: between their frames.
        disk: kernel and weight of the disk term.
    """
    some = torch.randint(len(cloud), (min(_SOME, len(cloud)),), device=cloud.centres.device)
    centres, axes = cloud.centres[some], cloud.normals[some]
    at = link.cube(centres.detach())
    moved, _, normal = pulled(network, at)
    loss = _PULL * losses.gaussian_pull_loss(centres, link.world(moved))
    loss = loss + _TANGENT * losses.alignment_loss(normal.detach(), axes)
    beside = at + 0.02 * torch.randn_like(at)
    to_surface, _, beside_normal = pulled(network, beside)
    loss = loss + _ORTHOGONAL * losses.alignment_loss(beside_normal, axes.detach())
    kernel, weight = disk
    if weight:
        offset = link.world(to_surface) - centres.detach()
        reached = losses.reach(cloud.scales[some].detach(), kernel)
        value = losses.disk_kernel(offset, cloud.rotations[some].detach(), reached)
        loss = loss + weight * losses.disk_pull_loss(value)
    return loss


def outward_normals(
    points: NDArray[np.float64], best: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> NDArray[np.float32]:
    """(n, 3) outward normals of points: what the best-facing view shows there; zero where none sees one.

    Args:
        points: (n, 3), for their number.
        best: (v, n, 3) normals that the views show at the points, and (v, n) how frontally they see them
            (negative or zero: not at all).
    """
    normals, facing = best
    view = facing.argmax(axis=0)
    index = np.arange(len(points))
    found = normals[view, index]
    found[facing[view, index] <= 0] = 0
    return found.astype(np.float32)
