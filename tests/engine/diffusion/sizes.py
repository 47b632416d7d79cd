"""Sizes of the network that made the fixtures (their README)."""

from __future__ import annotations

from teethscape.diffusion.config import NetworkConfig

FIXTURE = NetworkConfig(
    image_size=128, volume_channels=(8, 16, 24, 32), unet_channels=(32, 32, 64, 64), heads=4,
    vae_channels=(32, 32, 64, 64), clip_width=64, clip_layers=2, clip_heads=1,
)  # fmt: skip
