"""Sizes of the networks (specification of TeethDreamer, section 2); no torch is needed to read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

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
#: The UNet halves a latent three times.
_IMAGE_STEP = 8 * LATENT_STRIDE


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
    def from_json(cls, values: object, name: str) -> NetworkConfig:
        """The inverse of `to_json`.

        Args:
            values: sizes by name, as they were read; those that are absent are the published ones.
            name: of the file, for the message.

        Raises:
            BadInputError: a size is not known, of another kind, too large, or does not suit the others.
        """
        if not isinstance(values, dict):
            raise _unusable(name, "they are no list of names and values")
        known = {field.name: field.default for field in fields(cls)}
        plain: dict[str, Any] = {}
        for size, value in cast("dict[str, object]", values).items():
            if size not in known:
                raise _unusable(name, f"{size[:40]!r} is not known")
            plain[size] = _checked(name, size, value, known[size])
        config = cls(**plain)
        _require_suiting(name, config)
        return config


#: Largest values that a file's sizes may have; others have no need of more than `_MOST`.
_LARGEST: Mapping[str, int] = {
    "image_size": 1024, "views": 64, "grid": 128, "half_extent": 100, "depth_samples": 512, "near": 100,
    "far": 100, "heads": 64, "clip_layers": 100, "clip_heads": 64,
}  # fmt: skip
_MOST = 4096


def _unusable(name: str, words: str) -> BadInputError:
    return BadInputError(
        "weights_differ",
        f"The sizes of the networks in {name} cannot be used: {words}.",
        "Train or convert the file again, or update Teethscape.",
    )


def _checked(name: str, size: str, value: object, default: object) -> object:
    """A size of the default's kind; lists become tuples."""
    if isinstance(default, tuple):
        wanted = cast("tuple[object, ...]", default)
        found = cast("list[object]", value) if isinstance(value, list) else []
        if len(found) != len(wanted):
            raise _unusable(name, f"{size} must be {len(wanted)} numbers")
        return tuple(_checked(name, size, part, like) for part, like in zip(found, wanted, strict=True))
    largest = _LARGEST.get(size, _MOST)
    kinds = (int, float) if isinstance(default, float) else (int,)
    # not isinstance, which takes true for a number
    if type(value) not in kinds or not 0 < cast("float", value) <= largest:
        kind = "a number" if isinstance(default, float) else "a whole number"
        raise _unusable(name, f"{size} must be {kind} above 0 and at most {largest}, not {str(value)[:40]}")
    return value


def _require_suiting(name: str, config: NetworkConfig) -> None:
    """Refuse sizes that are possible alone but not together."""
    if config.image_size % _IMAGE_STEP:
        raise _unusable(name, f"image_size must be a multiple of {_IMAGE_STEP}, not {config.image_size}")
    if config.near >= config.far:
        raise _unusable(name, "near must be less than far")
    if any(channels % config.heads for channels in config.unet_channels):
        raise _unusable(name, f"unet_channels cannot be shared by {config.heads} heads")
    if config.clip_width % config.clip_heads:
        raise _unusable(name, f"clip_width cannot be shared by {config.clip_heads} clip_heads")


#: The published sizes.
OFFICIAL = NetworkConfig()
#: Sizes to try sampling and training with on a CPU; such a network draws nothing of use.
TINY = NetworkConfig(
    image_size=64, grid=8, depth_samples=8, volume_channels=(8, 8, 16, 16), unet_channels=(32, 32, 64, 64),
    heads=2, vae_channels=(32, 32, 32, 32), token_width=32, time_width=32, clip_width=32, clip_layers=1,
    clip_heads=1,
)  # fmt: skip
