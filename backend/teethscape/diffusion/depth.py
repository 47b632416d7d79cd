"""Attention of a feature map to a view's frustum, along the depth alone (specification 2.12; needs torch).

The published form makes keys and values of every voxel. A query meets only the voxels of
its own pixel, so the matrices of keys and values can be moved to the side of the query,
which has no depth: the same sums in another order, with 48 times fewer products there.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_GROUPS = 8
_HEADS = 4


class DepthAttention(nn.Module):
    """Four heads that look along the depth of their own pixel."""

    def __init__(self, width: int, source: int) -> None:
        super().__init__()
        self.to_q = nn.Conv2d(width, width, 1, bias=False)
        self.to_k = nn.Conv3d(source, width, 1, bias=False)
        self.to_v = nn.Conv3d(source, width, 1, bias=False)
        self.to_out = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(n, width, h, w) from x of that shape and context (n, source, d, h, w)."""
        count, width, height, wide = x.shape
        head = width // _HEADS
        query = self.to_q(x).reshape(count, _HEADS, head, height * wide)
        keys = self.to_k.weight.reshape(_HEADS, head, -1)
        values = self.to_v.weight.reshape(_HEADS, head, -1)
        # Fused kernels of the attention take only rows that lie together in memory.
        moved = torch.einsum("bnkp,nkc->bpnc", query, keys).contiguous()
        seen = context.flatten(3).permute(0, 3, 2, 1).contiguous()  # (n, pixels, d, source)
        mixed = functional.scaled_dot_product_attention(moved, seen, seen, scale=head**-0.5)
        out = torch.einsum("bpnc,nkc->bnkp", mixed, values)
        return self.to_out(out.reshape(count, width, height, wide))

    def of_constant(self, context: Tensor) -> Tensor:
        """(width,) answer where all voxels hold the same vector (source,), whatever is asked."""
        value = self.to_v.weight.flatten(1) @ context
        return self.to_out.weight.flatten(1) @ value


class DepthTransformer(nn.Module):
    """Adds to a feature map what its pixels see along their rays.

    Args:
        channels: of the feature map.
        source: channels of the frustum's features.
    """

    def __init__(self, channels: int, source: int) -> None:
        super().__init__()
        width = 2 * source
        self.proj_in = nn.Sequential(nn.Conv2d(channels, width, 1), nn.GroupNorm(_GROUPS, width), nn.SiLU())
        self.proj_context = nn.Sequential(
            nn.Conv3d(source, source, 1, bias=False), nn.GroupNorm(_GROUPS, source), nn.ReLU()
        )
        self.depth_attn = DepthAttention(width, source)
        last = nn.Conv2d(width, channels, 3, padding=1, bias=False)
        self.proj_out = nn.Sequential(
            nn.GroupNorm(_GROUPS, width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.GroupNorm(_GROUPS, width), nn.ReLU(), last,
        )  # fmt: skip
        with torch.no_grad():
            last.weight.zero_()  # at first it adds nothing

    def forward(self, x: Tensor, volume: Tensor) -> Tensor:
        """(n, channels, h, w) from x of that shape and volume (n, source, d, h, w)."""
        return x + self.proj_out(self.depth_attn(self.proj_in(x), self.proj_context(volume)))

    def of_empty(self, height: int, width: int) -> Tensor:
        """(1, channels, height, width) what an empty volume adds to any feature map.

        All voxels of an empty volume are alike, so the attention has nothing to choose and the
        feature map does not matter.
        """
        norm = cast("nn.GroupNorm", self.proj_context[1])
        answer = self.depth_attn.of_constant(functional.relu(norm.bias))
        return self.proj_out(answer[None, :, None, None].expand(1, -1, height, width))
