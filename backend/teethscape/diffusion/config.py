"""Sizes of the networks (specification of TeethDreamer, section 2); no torch is needed to read them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from teethscape.errors import BadInputError

#: Factor between the latents of the autoencoder and those that the diffusion works on.
LATENT_SCALE = 0.18215
#: Channels of a latent.
LATENT_CHANNELS = 4
#: Photos that condition a jaw.
PHOTOS = 4
#: Numbers of a view's embedding: turn, sine and cosine of the azimuth, distance, colour flag, normal flag.
VIEW_WIDTH = 6
#: Pixels of a picture per pixel of its latent.
LATENT_STRIDE = 8


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of all networks; the defaults are the published ones.

    Attributes:
        image_size: pictures are squares of so many pixels.
        views: target views of a jaw; each is painted as colour and as normals.
        grid: cells per axis of the shared volume.
        half_extent: the volume reaches from minus to plus this, in extents of the jaw pair.
        depth_samples: samples along the rays of a view's frustum.
        near: distance of the first sample from the camera, in extents of the jaw pair.
        far: distance of the last one.
        volume_channels: channels of the volumes from fine to coarse.
        unet_channels: channels of the UNet from fine to coarse.
        heads: attention heads of the UNet.
        vae_channels: channels of the autoencoder from fine to coarse.
        token_width: numbers of a token that conditions the UNet.
        time_width: numbers of the volumes' time embedding.
        clip_width: width of the image encoder.
        clip_layers: its depth.
        clip_heads: its attention heads.
    """

    image_size: int = 256
    views: int = 8
    grid: int = 32
    half_extent: float = 0.5
    depth_samples: int = 48
    near: float = 1.5 - 0.86603
    far: float = 1.5 + 0.86603
    volume_channels: tuple[int, int, int, int] = (64, 128, 256, 512)
    unet_channels: tuple[int, int, int, int] = (320, 640, 1280, 1280)
    heads: int = 8
    vae_channels: tuple[int, int, int, int] = (128, 256, 512, 512)
    token_width: int = 768
    time_width: int = 256
    clip_width: int = 1024
    clip_layers: int = 24
    clip_heads: int = 16

    @property
    def latent_size(self) -> int:
        """Pixels of a latent's side."""
        return self.image_size // LATENT_STRIDE

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file's notes."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> NetworkConfig:
        """The inverse of `to_json`.

        Raises:
            BadInputError: the values are of another kind.
        """
        try:
            plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            return cls(**plain)
        except TypeError as error:
            raise BadInputError(
                "weights_differ", f"The sizes of the networks are unknown ({error}).", "Update Teethscape."
            ) from error


#: The published sizes.
OFFICIAL = NetworkConfig()
#: Sizes to try sampling and training with on a CPU; such a network draws nothing of use.
TINY = NetworkConfig(
    image_size=64, grid=8, depth_samples=8, volume_channels=(8, 8, 16, 16), unet_channels=(32, 32, 64, 64),
    heads=2, vae_channels=(32, 32, 32, 32), token_width=32, time_width=32, clip_width=32, clip_layers=1,
    clip_heads=1,
)  # fmt: skip
