"""Networks on volumes and on noisy views (specification, sections 2.8, 2.10, 2.11; needs torch).

Attributes carry the published names, so that published tensors load as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from teethscape.diffusion.config import LATENT_CHANNELS, VIEW_WIDTH, NetworkConfig

_GROUPS = 8
#: Channels of an encoded view.
ENCODED = 16
#: PyTorch 2.13 leaves parts of bf16 weight gradients unset on a CPU where a volume is not larger than this.
_TOO_SMALL_FOR_BF16 = 2


class ViewBlock(nn.Module):
    """A residual block on a noisy view that knows the time and the view."""

    def __init__(self, channels: int, time_width: int) -> None:
        super().__init__()
        self.time_embed = nn.Conv2d(time_width, channels, 1)
        self.view_embed = nn.Conv2d(VIEW_WIDTH, channels, 1)
        self.conv = nn.Sequential(
            nn.GroupNorm(_GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(_GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        """(n, c, h, w) from x of that shape, t (n, time, 1, 1) and v (n, 6, 1, 1)."""
        return x + self.conv(x + self.time_embed(t) + self.view_embed(v))


class ViewEncoder(nn.Module):
    """Features of one noisy latent; the same weights for all views of a domain."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.init_conv = nn.Conv2d(LATENT_CHANNELS, ENCODED, 3, padding=1)
        self.out_conv0 = ViewBlock(ENCODED, config.time_width)
        self.out_conv1 = ViewBlock(ENCODED, config.time_width)
        self.out_conv2 = ViewBlock(ENCODED, config.time_width)
        self.final_out = nn.Sequential(
            nn.GroupNorm(_GROUPS, ENCODED), nn.SiLU(), nn.Conv2d(ENCODED, ENCODED, 3, padding=1)
        )

    def forward(self, x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        """(n, 16, h, w) from latents (n, 4, h, w), times (n, time) and views (n, 6)."""
        t, v = t[:, :, None, None], v[:, :, None, None]
        x = self.init_conv(x)
        for block in (self.out_conv0, self.out_conv1, self.out_conv2):
            x = block(x, t, v)
        return self.final_out(x)


def _shift(x: Tensor, layer: nn.Module, embedding: Tensor) -> Tensor:
    """Add to x a 1x1x1 convolution of an embedding (n, width), the same everywhere."""
    return x + layer(embedding[:, :, None, None, None])


class _Convolution(nn.Conv3d):
    """A convolution that calculates small volumes on a CPU in their weights' own precision.

    Where parts of the kernel only ever lie beside the volume, their gradients in bf16 are whatever the
    memory held before: mostly harmless numbers, now and then none.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(n, out, d, h, w), halved when the stride is 2."""
        if input.device.type != "cpu" or min(input.shape[2:]) > _TOO_SMALL_FOR_BF16:
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.to(self.weight.dtype))


class VolumeBlock(nn.Module):
    """Convolution of a volume that knows the time."""

    def __init__(self, source: int, target: int, time_width: int, stride: int = 1) -> None:
        super().__init__()
        self.t_conv = nn.Conv3d(time_width, source, 1)
        self.bn = nn.GroupNorm(_GROUPS, source)
        self.conv = _Convolution(source, target, 3, stride=stride, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """(n, target, d, h, w), halved when the stride is 2."""
        return self.conv(functional.silu(self.bn(_shift(x, self.t_conv, t))))


class VolumeUp(nn.Module):
    """Transposed convolution of a volume that knows the time."""

    def __init__(self, source: int, target: int, time_width: int) -> None:
        super().__init__()
        self.t_conv = nn.Conv3d(time_width, source, 1)
        self.norm = nn.GroupNorm(_GROUPS, source)
        self.conv = nn.ConvTranspose3d(source, target, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """(n, target, 2d, 2h, 2w)."""
        return self.conv(functional.silu(self.norm(_shift(x, self.t_conv, t))))


class VolumeNet(nn.Module):
    """Three-dimensional UNet of a spatial volume (``SpatialTime3DNet``)."""

    def __init__(self, source: int, config: NetworkConfig) -> None:
        super().__init__()
        a, b, c, d = config.volume_channels
        time = config.time_width
        self.init_conv = nn.Conv3d(source, a, 3, padding=1)
        self.conv0 = VolumeBlock(a, a, time)
        self.conv1 = VolumeBlock(a, b, time, 2)
        self.conv2_0, self.conv2_1 = VolumeBlock(b, b, time), VolumeBlock(b, b, time)
        self.conv3 = VolumeBlock(b, c, time, 2)
        self.conv4_0, self.conv4_1 = VolumeBlock(c, c, time), VolumeBlock(c, c, time)
        self.conv5 = VolumeBlock(c, d, time, 2)
        self.conv6_0, self.conv6_1 = VolumeBlock(d, d, time), VolumeBlock(d, d, time)
        self.conv7, self.conv8, self.conv9 = VolumeUp(d, c, time), VolumeUp(c, b, time), VolumeUp(b, a, time)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """(n, volume_channels[0], s, s, s) from (n, source, s, s, s) and times (n, time)."""
        fine = self.conv0(self.init_conv(x), t)
        middle = self.conv2_1(self.conv2_0(self.conv1(fine, t), t), t)
        coarse = self.conv4_1(self.conv4_0(self.conv3(middle, t), t), t)
        x = self.conv6_1(self.conv6_0(self.conv5(coarse, t), t), t)
        x = coarse + self.conv7(x, t)
        x = middle + self.conv8(x, t)
        return fine + self.conv9(x, t)


class DomainVolume(nn.Module):
    """What makes a volume of one domain's noisy views: encoder and volume UNet."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.target_encoder = ViewEncoder(config)
        self.spatial_volume_feats = VolumeNet(config.views * ENCODED, config)


class FrustumBlock(VolumeBlock):
    """Convolution of a frustum that knows the time and the view."""

    def __init__(self, source: int, target: int, time_width: int, stride: int = 1) -> None:
        super().__init__(source, target, time_width, stride)
        self.v_conv = nn.Conv3d(VIEW_WIDTH, source, 1)

    def forward(self, x: Tensor, t: Tensor, v: Tensor | None = None) -> Tensor:
        """(n, target, d, h, w), halved when the stride is 2."""
        return super().forward(x if v is None else _shift(x, self.v_conv, v), t)


class FrustumUp(VolumeUp):
    """Transposed convolution of a frustum that knows the time and the view."""

    def __init__(self, source: int, target: int, time_width: int) -> None:
        super().__init__(source, target, time_width)
        self.v_conv = nn.Conv3d(VIEW_WIDTH, source, 1)

    def forward(self, x: Tensor, t: Tensor, v: Tensor | None = None) -> Tensor:
        """(n, target, 2d, 2h, 2w)."""
        return super().forward(x if v is None else _shift(x, self.v_conv, v), t)


class FrustumNet(nn.Module):
    """Three-dimensional UNet of a view's frustum (``FrustumTV3DNet``)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        a, b, c, d = config.volume_channels
        time = config.time_width
        self.conv0 = nn.Conv3d(a, a, 3, padding=1)
        self.conv1, self.conv2 = FrustumBlock(a, b, time, 2), FrustumBlock(b, b, time)
        self.conv3, self.conv4 = FrustumBlock(b, c, time, 2), FrustumBlock(c, c, time)
        self.conv5, self.conv6 = FrustumBlock(c, d, time, 2), FrustumBlock(d, d, time)
        self.up0, self.up1, self.up2 = FrustumUp(d, c, time), FrustumUp(c, b, time), FrustumUp(b, a, time)

    def forward(self, x: Tensor, t: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        """Features from fine to coarse: (n, volume_channels[i], d / 2^i, h / 2^i, w / 2^i).

        Args:
            x: (n, volume_channels[0], d, h, w) samples of the merged volume along the rays of a view.
            t: (n, time) embedded times.
            v: (n, 6) embedded views.
        """
        fine = self.conv0(x)
        middle = self.conv2(self.conv1(fine, t, v), t, v)
        coarse = self.conv4(self.conv3(middle, t, v), t, v)
        coarsest = self.conv6(self.conv5(coarse, t, v), t, v)
        coarse = coarse + self.up0(coarsest, t, v)
        middle = middle + self.up1(coarse, t, v)
        fine = fine + self.up2(middle, t, v)
        return fine, middle, coarse, coarsest


def by_width(features: tuple[Tensor, ...]) -> dict[int, Tensor]:
    """Frustum features by the width of the feature map that they condition."""
    return {feature.shape[-1]: feature for feature in features}


def stacked(features: Tensor, cases: int) -> Tensor:
    """Views' features (cases * views, c, s, s, s) as channels (cases, views * c, s, s, s), view by view."""
    return features.reshape(cases, -1, *features.shape[2:])
