"""Where voxels fall in pictures and where rays meet the volume (specification 2.9, 2.11; needs torch).

World of the published system: extents of the jaw pair, see `teethscape.dataset.published_views`.
Pixels count from 0 at the first pixel's centre here; the published program does so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from teethscape.diffusion.config import NetworkConfig

#: Smallest depth that is divided by.
_NEAREST = 1e-4


def _exact(some: Tensor) -> torch.autocast:
    """Meanwhile products stay in float32: a training of mixed precision would lose half a pixel."""
    return torch.autocast(some.device.type, enabled=False)


@dataclass(frozen=True)
class ViewCameras:
    """Cameras of the target views of several cases.

    Attributes:
        poses: (cases, views, 3, 4) world to camera, OpenCV axes.
        intrinsics: (cases, views, 3, 3) of whole pictures, pixels.
    """

    poses: Tensor
    intrinsics: Tensor

    def of_latents(self, config: NetworkConfig) -> Tensor:
        """(cases, views, 3, 4) projections onto the pixels of a latent."""
        scale = config.latent_size / config.image_size
        rows = self.intrinsics.new_tensor([scale, scale, 1.0])
        with _exact(self.poses):
            return (rows[:, None] * self.intrinsics) @ self.poses.to(self.intrinsics)


def grid_points(config: NetworkConfig, device: torch.device | None = None) -> Tensor:
    """(s^3, 3) voxels as x, y, z; the first index of the volume is z, the last x."""
    line = torch.linspace(-config.half_extent, config.half_extent, config.grid, device=device)
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    return torch.stack([x, y, z], -1).reshape(-1, 3)


def projected(points: Tensor, projections: Tensor, size: int) -> Tensor:
    """(n, p, 2) places of points in pictures, -1 and 1 at the outer pixels' centres.

    Args:
        points: (p, 3) in the world.
        projections: (n, 3, 4).
        size: pixels of a picture's side.
    """
    with _exact(points):
        seen = points @ projections[:, :, :3].transpose(1, 2) + projections[:, None, :, 3]
    places = seen[..., :2] / seen[..., 2:].clamp(min=_NEAREST)
    return places / ((size - 1) / 2) - 1


def gathered(features: Tensor, projections: Tensor, config: NetworkConfig) -> Tensor:
    """(n, c, s, s, s) what each view's features (n, c, h, w) show at every voxel."""
    side = config.grid
    places = projected(grid_points(config, features.device), projections, config.latent_size)
    samples = _looked_up(features, places.reshape(len(features), side * side, side, 2))
    return samples.reshape(*samples.shape[:2], side, side, side)


def _looked_up(values: Tensor, places: Tensor) -> Tensor:
    """Values at places, found in float32: places in half precision would be off by a part of a pixel."""
    found = functional.grid_sample(values.float(), places, padding_mode="zeros", align_corners=True)
    return found.to(values.dtype)


def frustum_points(projections: Tensor, config: NetworkConfig) -> tuple[Tensor, Tensor]:
    """Points along the rays of all pixels of a latent.

    Args:
        projections: (n, 3, 4) onto the pixels of a latent.
        config: sizes.

    Returns:
        (n, d, h, w, 3) points in the world and (d,) their depths.
    """
    size, device = config.latent_size, projections.device
    shares = torch.linspace(0, 1, config.depth_samples, device=device)
    depths = shares * (config.far - config.near) + config.near
    pixels = torch.arange(size, dtype=torch.float32, device=device)
    v, u = torch.meshgrid(pixels, pixels, indexing="ij")
    rays = torch.stack([u, v, torch.ones_like(u)], -1) * depths[:, None, None, None]
    inverse = torch.linalg.inv(projections[:, :, :3].float())
    shifted = rays[None] - projections[:, None, None, None, :, 3].float()
    with _exact(shifted):
        return torch.einsum("nij,ndhwj->ndhwi", inverse, shifted), depths


def sampled(volume: Tensor, points: Tensor, config: NetworkConfig) -> Tensor:
    """(n, c, d, h, w) a volume (n, c, s, s, s) at points (n, d, h, w, 3) of the world."""
    return _looked_up(volume, points / config.half_extent)
