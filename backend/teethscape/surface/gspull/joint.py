"""Stage 2 of GS-Pull: distance and Gaussians pull each other (needs torch).

Source: ``gspull-spec.md``, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
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
