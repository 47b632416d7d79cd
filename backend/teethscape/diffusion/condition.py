"""What a jaw's photos and cameras tell the networks (specification, sections 2.4 to 2.7; needs torch)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from teethscape.dataset.published_views import CONDITION_VIEWS, DISTANCE, condition_views, target_cameras
from teethscape.dental.fdi import Jaw
from teethscape.diffusion.config import LATENT_SCALE, PHOTOS, NetworkConfig
from teethscape.diffusion.embeddings import ViewAngles, view_embedding
from teethscape.diffusion.geometry import ViewCameras
from teethscape.diffusion.networks import TeethDreamer

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_SPREAD = (0.26862954, 0.26130258, 0.27577711)
_CLIP_SIZE = 224


@dataclass(frozen=True)
class Condition:
    """Everything that steers the painting of some jaws.

    Attributes:
        tokens: (cases, 4, width) of the photos, not yet told the view.
        photos: (cases, 16, h, w) latents of the photos times the latent scale; None when they have no effect.
        views: (cases, 2 * views, 6) embedded views, colours first.
        cameras: of the target views.
    """

    tokens: Tensor
    photos: Tensor | None
    views: Tensor
    cameras: ViewCameras

    def to(self, device: torch.device) -> Condition:
        """The same on another device."""
        photos = None if self.photos is None else self.photos.to(device)
        cameras = ViewCameras(self.cameras.poses.to(device), self.cameras.intrinsics.to(device))
        return replace(
            self, tokens=self.tokens.to(device), photos=photos, views=self.views.to(device), cameras=cameras
        )


def published_views(jaw: Jaw, config: NetworkConfig) -> tuple[ViewCameras, Tensor]:
    """Cameras (one case) and embedded views (1, 2 * views, 6) of the published target views.

    Painted are the last views of the sixteen; the reference is the undisturbed occlusal photo.
    """
    all_views = target_cameras(jaw, config.image_size)
    rows = slice(len(all_views) - config.views, None)
    azimuth, elevation = np.radians(CONDITION_VIEWS[condition_views(jaw)[-1]])
    source = ViewAngles(*(torch.tensor([[v]], dtype=torch.float32) for v in (azimuth, elevation, DISTANCE)))
    targets = ViewAngles(
        *(
            torch.from_numpy(a[rows])[None]
            for a in (all_views.azimuths, all_views.elevations, all_views.distances)
        )
    )
    poses = torch.from_numpy(all_views.poses[rows])[None].float()
    intrinsics = torch.from_numpy(all_views.intrinsics).expand(1, config.views, 3, 3)
    return ViewCameras(poses, intrinsics), view_embedding(targets, source)


def clip_input(pictures: Tensor) -> Tensor:
    """(n, 3, 224, 224) as the image encoder takes them, from pictures (n, 3, h, w) from -1 to 1."""
    sized = functional.interpolate(pictures, (_CLIP_SIZE, _CLIP_SIZE), mode="bicubic", align_corners=True)
    mean, spread = (pictures.new_tensor(values)[:, None, None] for values in (_MEAN, _SPREAD))
    return ((sized + 1) / 2 - mean) / spread


@torch.no_grad()
def photo_tokens(network: TeethDreamer, photos: Tensor) -> Tensor:
    """(cases, 4, width) float32 image embeddings of photos (cases, 12, h, w) from -1 to 1."""
    pictures = photos.reshape(-1, 3, *photos.shape[2:])
    dtype = network.clip.dtype
    embedded = network.clip(pixel_values=clip_input(pictures.float()).to(dtype)).image_embeds
    return embedded.reshape(len(photos), PHOTOS, -1).float()


@torch.no_grad()
def encoded(network: TeethDreamer, pictures: Tensor, generator: torch.Generator | None) -> Tensor:
    """(n, 4, h / 8, w / 8) float32 latents times the latent scale, drawn from the encoder's distribution.

    Args:
        network: holds the autoencoder.
        pictures: (n, 3, h, w) from -1 to 1.
        generator: of the draw, on the CPU; None takes the middle of the distribution.
    """
    dtype = network.vae.dtype
    found = [network.vae.encode(picture[None].to(dtype)).latent_dist for picture in pictures]
    if generator is None:
        drawn = [one.mode().float() for one in found]
    else:
        drawn = [
            one.mean.float()
            + one.std.float() * torch.randn(one.mean.shape, generator=generator).to(one.mean.device)
            for one in found
        ]
    return torch.cat(drawn) * LATENT_SCALE


@torch.no_grad()
def decoded(network: TeethDreamer, latents: Tensor) -> Tensor:
    """(n, 3, 8h, 8w) float32 pictures, about -1 to 1, of latents (n, 4, h, w); one after the other."""
    vae = network.vae
    scaled = (latents / LATENT_SCALE).to(vae.dtype)
    return torch.cat([vae.decode(one[None], return_dict=False)[0].float() for one in scaled])


def view_tokens(network: TeethDreamer, tokens: Tensor, views: Tensor) -> Tensor:
    """(n, 4, width) tokens that know their view.

    Args:
        network: holds the projection.
        tokens: (n, 4, width) of the photos.
        views: (n, 6) embedded views.
    """
    told = views[:, None, :].expand(-1, tokens.shape[1], -1)
    layer = network.cc_projection
    return layer(torch.cat([tokens, told], -1).to(layer.weight.dtype))


def photos_matter(network: TeethDreamer) -> bool:
    """False where the first convolution gives no weight to the photos' latents.

    Training from zero123 starts those weights at zero and, as published, never moves them.
    """
    weight = network.unet.body.conv_in.weight
    return bool(weight[:, weight.shape[1] - LATENTS :].count_nonzero())


#: Channels of the four photos' latents.
LATENTS = 4 * PHOTOS
