"""Losses of GS-Pull (needs torch). Source: ``gspull-spec.md``, sections 2 and 5."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from teethscape.surface.request import DiskKernel

_KEPT, _SHIPPED_SIGMA = 0.9, 5.0
_WIDE = 100.0
_THIN = 1e-4
_C1, _C2 = 0.01**2, 0.03**2


def rotation_of(quaternion: Tensor) -> Tensor:
    """(n, 3, 3) rotations of quaternions (n, 4), w first, of any length."""
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=1).unbind(dim=1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)


def thin_axis(rotation: Tensor, scales: Tensor) -> Tensor:
    """(n, 3) the column of each rotation (n, 3, 3) that belongs to the smallest scale (n, 3)."""
    thinnest = scales.argmin(dim=1)
    return rotation[torch.arange(len(scales), device=scales.device), :, thinnest]


def reach(scales: Tensor, kernel: DiskKernel) -> Tensor:
    """(n, 3) standard deviations of the disk's kernel along its axes, world units."""
    if kernel is DiskKernel.SHIPPED:
        return torch.full_like(scales, _SHIPPED_SIGMA)
    if kernel is DiskKernel.DISK:
        return scales
    thinnest = torch.nn.functional.one_hot(scales.argmin(dim=1), 3)
    return scales * _WIDE * (1 + (_WIDE - 1) * thinnest)


def disk_kernel(offset: Tensor, rotation: Tensor, reached: Tensor) -> Tensor:
    """(n,) kernel of offsets (n, 3), world units, from disks with rotations (n, 3, 3) and reaches (n, 3)."""
    local = torch.einsum("nij,ni->nj", rotation, offset)
    return torch.exp(-0.5 * ((local / reached) ** 2).sum(dim=1))


def disk_pull_loss(kernel: Tensor) -> Tensor:
    """Mean of one minus the kernel (n,) over those near their disk; 0 where none is."""
    near = kernel[kernel > _KEPT]
    return (1 - near).mean() if len(near) else kernel.sum() * 0


def chamfer(first: Tensor, second: Tensor) -> Tensor:
    """Mean of both mean distances to the nearest point of the other set, (n, 3) and (m, 3)."""
    there, back = nearest(first, second), nearest(second, first)
    one = (first - second[there]).norm(dim=1).mean()
    two = (second - first[back]).norm(dim=1).mean()
    return (one + two) / 2


@torch.no_grad()
def nearest(points: Tensor, others: Tensor, chunk: int = 2048) -> Tensor:
    """(n,) index of the nearest of (m, 3) others to each of (n, 3) points."""
    return torch.cat([torch.cdist(part, others).argmin(dim=1) for part in points.split(chunk)])


def alignment_loss(normal: Tensor, axis: Tensor) -> Tensor:
    """How far unit normals (n, 3) are from being along axes (n, 3), either way."""
    return ((normal * axis).sum(dim=1).abs() - 1).abs().mean()


def gaussian_pull_loss(centres: Tensor, pulled_targets: Tensor) -> Tensor:
    """Mean distance of centres (n, 3) from where the field wants them (n, 3), world units."""
    return (centres - pulled_targets.detach()).norm(dim=1).mean()


def thin_loss(scales: Tensor, clamped: bool) -> Tensor:
    """Mean smallest scale; ``clamped``: what exceeds 1e-4, as in stage 2."""
    smallest = scales.amin(dim=1)
    return (smallest.clamp_min(_THIN) - _THIN).mean() if clamped else smallest.mean()


def entropy_loss(opacity: Tensor) -> Tensor:
    """Mean entropy of opacities 0..1, which pushes them to either end."""
    a = opacity.clamp(1e-7, 1 - 1e-7)
    return (-a * torch.log(a) - (1 - a) * torch.log(1 - a)).mean()


def ssim(one: Tensor, two: Tensor) -> Tensor:
    """Mean structural similarity of pictures (b, c, h, w): window 11, sigma 1.5, zeros around."""
    channels = one.shape[1]
    along = torch.arange(11, device=one.device, dtype=one.dtype) - 5
    line = torch.exp(-(along**2) / (2 * 1.5**2))
    line = line / line.sum()
    window = (line[:, None] * line).expand(channels, 1, 11, 11).contiguous()

    def mean(image: Tensor) -> Tensor:
        return conv2d(image, window, padding=5, groups=channels)

    a, b = mean(one), mean(two)
    va, vb, vab = mean(one * one) - a * a, mean(two * two) - b * b, mean(one * two) - a * b
    return (((2 * a * b + _C1) * (2 * vab + _C2)) / ((a * a + b * b + _C1) * (va + vb + _C2))).mean()


def photo_loss(one: Tensor, two: Tensor) -> Tensor:
    """0.8 of the absolute difference and 0.2 of the dissimilarity of pictures (b, c, h, w)."""
    return 0.8 * (one - two).abs().mean() + 0.2 * (1 - ssim(one, two))
