"""The UNet of the published system: diffusers' own with ten depth transformers in it (needs torch)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from teethscape.diffusion.config import LATENT_CHANNELS, PHOTOS, NetworkConfig
from teethscape.diffusion.depth import DepthTransformer


def body_of(config: NetworkConfig) -> Any:
    """Stable Diffusion 1's UNet with room for the photos' latents."""
    make: Any = UNet2DConditionModel  # its hints say tuples of one
    return make(
        sample_size=config.latent_size,
        in_channels=LATENT_CHANNELS * (1 + PHOTOS),
        out_channels=LATENT_CHANNELS,
        block_out_channels=config.unet_channels,
        cross_attention_dim=config.token_width,
        attention_head_dim=config.heads,
    )


class DepthUNet(nn.Module):
    """The UNet; hooks let the depth transformers in.

    One stands behind the middle block, nine behind the upper blocks with attention: after the
    two layers and after the widening of each level, or after its third layer at the finest.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.body = body_of(config)
        a, b, c, d = config.volume_channels
        fine, middle, coarse, coarsest = config.unet_channels
        self.middle_conditions = DepthTransformer(coarsest, d)
        pairs = [
            (coarse, c),
            (coarse, c),
            (coarse, b),
            (middle, b),
            (middle, b),
            (middle, a),
            *[(fine, a)] * 3,
        ]
        self.output_conditions = nn.ModuleList(DepthTransformer(*pair) for pair in pairs)
        self._volumes: dict[int, Tensor] = {}
        self._empty: dict[tuple[int, int, int], Tensor] = {}
        self._hook()

    def _hook(self) -> None:
        self.body.mid_block.register_forward_hook(self._behind(self.middle_conditions))
        places = []
        for level, block in enumerate(self.body.up_blocks[1:]):
            layers = list(block.attentions[:2])
            places += [*layers, block.attentions[2] if level == 2 else block.upsamplers[0]]
        for place, condition in zip(places, self.output_conditions, strict=True):
            place.register_forward_hook(self._behind(condition))

    def _behind(self, condition: nn.Module) -> Callable[..., Any]:
        me = ref(self)  # a hook that held the network would keep it in memory until Python cleans up

        def hook(_: nn.Module, __: Any, output: Any) -> Any:
            network = me()
            if network is None:
                raise ReferenceError("the body has outlived its depth transformers")
            if isinstance(output, tuple):
                return (network._conditioned(condition, output[0]), *output[1:])
            return network._conditioned(condition, output)

        return hook

    def _conditioned(self, condition: Any, x: Tensor) -> Tensor:
        """The first rows by the volumes that there are, all others as by empty ones."""
        volume = self._volumes.get(x.shape[-1])
        count = 0 if volume is None else len(volume)
        parts = [condition(x[:count], volume)] if volume is not None else []
        if count < len(x):
            parts.append(x[count:] + self._of_empty(condition, x))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _of_empty(self, condition: DepthTransformer, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if torch.is_grad_enabled():
            return condition.of_empty(height, width)
        key = (id(condition), height, width)
        known = self._empty.get(key)
        if known is None or known.dtype is not x.dtype or known.device != x.device:
            known = self._empty[key] = condition.of_empty(height, width)
        return known

    def train(self, mode: bool = True) -> DepthUNet:
        """Change the mode and forget what was remembered of other weights."""
        self.forget()
        return super().train(mode)

    def forget(self) -> None:
        """Let go of what is kept between calls."""
        self._volumes = {}
        self._empty.clear()

    def forward(self, x: Tensor, t: Tensor, tokens: Tensor, volumes: dict[int, Tensor]) -> Tensor:
        """The noise in a latent.

        Args:
            x: (n, 20, h, w) noisy latents and, divided by the latent scale, those of the photos.
            t: (n,) times.
            tokens: (n, 4, width).
            volumes: by width (m, c, d, h, w) frustum features of the first m rows; the rest are drawn as
                with empty volumes.

        Returns:
            (n, 4, h, w).
        """
        # Volumes stay until the next call: checkpointed layers are run again in the backward pass.
        self._volumes = volumes
        return self.body(x, t, encoder_hidden_states=tokens, return_dict=False)[0]
