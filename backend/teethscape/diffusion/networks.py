"""All networks of TeethDreamer, and tensors with published names into them (needs torch)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from teethscape.diffusion.config import LATENT_CHANNELS, LATENT_SCALE, VIEW_WIDTH, NetworkConfig
from teethscape.diffusion.embeddings import time_layers
from teethscape.diffusion.names import UNUSED, Form, Place, place_of
from teethscape.diffusion.unet import DepthUNet
from teethscape.diffusion.volumes import DomainVolume, FrustumNet, VolumeNet


class TeethDreamer(nn.Module):
    """The networks; the parts carry the published names where these exist.

    Attributes:
        config: their sizes.
        unet: finds the noise in latents.
        vae: pictures to latents and back.
        clip: pictures to tokens.
        cc_projection: tokens and view to the UNet's tokens.
        time_embed: time for the volume networks.
        spatial_volume: volume of the colour views.
        normal_volume: volume of the normal views.
        volume_merge: the two made one.
        volume_frustum: a view's features of it.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = DepthUNet(config)
        self.vae = _vae(config)
        self.clip = _clip(config)
        self.cc_projection = nn.Linear(config.token_width + VIEW_WIDTH, config.token_width)
        self.time_embed = time_layers(config.time_width)
        self.spatial_volume = DomainVolume(config)
        self.normal_volume = DomainVolume(config)
        self.volume_merge = VolumeNet(2 * config.volume_channels[0], config)
        self.volume_frustum = FrustumNet(config)

    @classmethod
    def empty(cls, config: NetworkConfig) -> TeethDreamer:
        """The networks without memory for their weights, to be filled by `load`."""
        with torch.device("meta"):
            return cls(config).eval()


def _vae(config: NetworkConfig) -> Any:
    levels, make = len(config.vae_channels), cast("Any", AutoencoderKL)  # its hints say tuples of one
    return make(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=config.vae_channels,
        layers_per_block=2,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=min(32, *config.vae_channels),
        scaling_factor=LATENT_SCALE,
    )


def _clip(config: NetworkConfig) -> Any:
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=config.clip_width,
            intermediate_size=4 * config.clip_width,
            projection_dim=config.token_width,
            num_hidden_layers=config.clip_layers,
            num_attention_heads=config.clip_heads,
            image_size=224,
            patch_size=14,
            hidden_act="quick_gelu",
        )
    )


@dataclass(frozen=True)
class Loaded:
    """What became of a state's tensors.

    Attributes:
        missing: tensors of ours that the state lacks, by our names.
        unexpected: tensors of the state that have no place.
        unused: tensors that are known and not needed.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    unused: tuple[str, ...]


def ours(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """A published tensor under our names.

    Raises:
        KeyError: it has no place.
    """
    place = place_of(name)
    if place.form is Form.THREE:
        return dict(zip(place.targets, tensor.chunk(3), strict=True))
    if place.form is Form.MATRIX:
        tensor = tensor.flatten(1)
    elif place.form is Form.TRANSPOSED:
        tensor = tensor.T
    return {place.targets[0]: tensor}


def published(place: Place, tensors: Iterable[Tensor]) -> Tensor:
    """The inverse: a published tensor from ours, in the order of ``place.targets``."""
    parts = list(tensors)
    if place.form is Form.THREE:
        return torch.cat(parts)
    if place.form is Form.MATRIX:
        return parts[0][:, :, None, None]
    return parts[0].T if place.form is Form.TRANSPOSED else parts[0]


def load(network: TeethDreamer, state: Mapping[str, Tensor]) -> Loaded:
    """Take a state with published names; its tensors are used as they are, not copied.

    Args:
        network: made by `TeethDreamer.empty`, or any.
        state: tensors by their published names.

    Raises:
        RuntimeError: a tensor has another shape.
    """
    found: dict[str, Tensor] = {}
    unexpected, unused = [], []
    for name, tensor in state.items():
        if name in UNUSED:
            unused.append(name)
            continue
        try:
            found.update(ours(name, tensor))
        except KeyError:
            unexpected.append(name)
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in found]
    unexpected += [name for name in found if name not in wanted]
    known = {name: tensor for name, tensor in found.items() if name in wanted}
    network.load_state_dict(known, strict=False, assign=True)
    _fill_buffers(network)
    return Loaded(tuple(missing), tuple(unexpected), tuple(unused))


def _fill_buffers(network: TeethDreamer) -> None:
    """Tables that no file holds: made where they were left empty."""
    table = network.clip.vision_model.embeddings
    if table.position_ids.is_meta:
        table.register_buffer("position_ids", torch.arange(table.num_positions)[None], persistent=False)
