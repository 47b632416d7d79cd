"""Stage 2 of GS-Pull: distance and Gaussians pull each other (needs torch).

Source: ``gspull-spec.md``, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from teethscape.surface.gspull import losses
from teethscape.surface.gspull.gaussians import Gaussians
from teethscape.surface.gspull.pull import Pulled
from teethscape.surface.gspull.sdf import pulled
from teethscape.surface.request import DiskKernel

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

    def to(self, device: torch.device) -> Link:
        """The same on a device."""
        return replace(self, centre=self.centre.to(device))

    def cube(self, points: Tensor) -> Tensor:
        """(n, 3) world to cube."""
        return (points - self.centre) / self.scale

    def world(self, points: Tensor) -> Tensor:
        """(n, 3) cube to world."""
        return points * self.scale + self.centre


@dataclass(frozen=True, eq=False)
class Tie:
    """Gaussians and the points that queries were drawn around.

    Attributes:
        cloud: the Gaussians as they are now.
        rows: (m,) which of them the points are.
        points: (m, 3) where these were when the queries were drawn, cube.
        link: between the frames.
    """

    cloud: Gaussians
    rows: Tensor
    points: Tensor
    link: Link


@dataclass(frozen=True)
class TieRules:
    """How Gaussians and distance pull each other.

    Attributes:
        kernel: reach of the disks.
        disk: weight of the pull onto disks.
        tied_from: step from which disks pull the distance and the distance pulls Gaussians.
        turned_from: step from which slopes at queries are turned along the axes of disks; None: never.
    """

    kernel: DiskKernel
    disk: float
    tied_from: int
    turned_from: int | None


def pulled_centres(network: nn.Module, link: Link, centres: Tensor) -> Tensor:
    """Where the distance pulls Gaussians, differentiable to both, as the paper draws them.

    Args:
        network: the distance.
        link: between the frames.
        centres: (n, 3) world.

    Returns:
        (n, 3) world.
    """
    moved, _, _ = pulled(network, link.cube(centres))
    return link.world(moved)


def cloud_loss(network: nn.Module, tie: Tie) -> Tensor:
    """What moves Gaussians: the distance pulls their centres and turns their thin axes along its slope.

    The network is left as it is.
    """
    count = len(tie.rows)
    some = torch.randint(count, (min(_SOME, count),), device=tie.rows.device)
    rows = tie.rows[some]
    moved, _, normal = pulled(network, tie.points[some], learn=False)
    loss = _PULL * losses.gaussian_pull_loss(tie.cloud.centres[rows], tie.link.world(moved))
    return loss + _TANGENT * losses.alignment_loss(normal, tie.cloud.normals[rows])


def field_loss(batch: Pulled, tie: Tie, rules: TieRules, step: int) -> Tensor:
    """What moves the distance: slopes along the disks' axes, and pulled queries within the disks.

    The disk of a query is the one that lies nearest to where it is pulled, as published, and not the one
    that it was drawn around. The Gaussians are left as they are.
    """
    loss = batch.moved.new_zeros(())
    turned = rules.turned_from is not None and step >= rules.turned_from
    reaches = bool(rules.disk) and step >= rules.tied_from
    if not (turned or reaches):
        return loss
    near = losses.nearest(batch.moved.detach(), tie.points)
    rows = tie.rows[near]
    if turned:
        axes = tie.cloud.normals.detach()[rows]
        loss = loss + _ORTHOGONAL * losses.alignment_loss(batch.normal, axes)
    if reaches:
        offset = (batch.moved - tie.points[near]) * tie.link.scale
        reached = losses.reach(tie.cloud.scales[rows].detach(), rules.kernel)
        value = losses.disk_kernel(offset, tie.cloud.rotations[rows].detach(), reached)
        loss = loss + rules.disk * losses.disk_pull_loss(value)
    return loss
