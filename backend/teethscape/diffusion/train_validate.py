"""Validation pictures: what the network paints now, under what it should paint (needs torch)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from teethscape.dental.files import write_with
from teethscape.diffusion.condition import Condition, decoded, encoded, photo_tokens, photos_matter
from teethscape.diffusion.config import LATENT_CHANNELS
from teethscape.diffusion.denoiser import Denoiser
from teethscape.diffusion.memory import PUBLISHED
from teethscape.diffusion.networks import TeethDreamer
from teethscape.diffusion.pictures import montage
from teethscape.diffusion.schedule import Steps
from teethscape.diffusion.train_data import Sample
from teethscape.diffusion.train_step import batch_of


@torch.no_grad()
def validate(network: TeethDreamer, sample: Sample, path: Path, count: int) -> float:
    """Write two strips, wanted and painted; returns the mean difference of their levels (0 to 1).

    Args:
        network: in training; it is so again afterwards.
        sample: jaw that is not trained on.
        path: the picture.
        count: steps of the sampling.
    """
    was = network.training
    network.eval()
    try:
        views = _painted(network, sample, count)
    finally:
        network.train(was)
        network.vae.eval()
        network.clip.eval()
    strips = np.concatenate([montage(sample.targets), montage(views)])
    image = Image.fromarray(strips)
    write_with(path, lambda stream: image.save(stream, "PNG"))
    return float(np.abs(np.clip(views, -1, 1) - sample.targets).mean() / 2)


def _painted(network: TeethDreamer, sample: Sample, count: int) -> np.ndarray:
    device = network.cc_projection.weight.device
    generator = torch.Generator().manual_seed(0)
    batch = batch_of([sample], network.config.image_size).to(device)
    tokens, photos = photo_tokens(network, batch.photos), None
    if photos_matter(network):
        pictures = batch.photos.reshape(-1, 3, *batch.photos.shape[2:])
        photos = encoded(network, pictures, generator).flatten(0, 1)[None]
    denoiser = Denoiser(network, Condition(tokens, photos, batch.views, batch.cameras))
    size = network.config.latent_size
    shape = (1, len(sample.targets), LATENT_CHANNELS, size, size)
    latents, steps = torch.randn(shape, generator=generator).to(device), Steps(count)
    for number in range(count):
        noise = denoiser.guided(latents, steps.times[number], PUBLISHED)
        last = number == count - 1
        latents = steps.step(
            number, latents, noise, None if last else torch.randn(shape, generator=generator).to(device)
        )
    return decoded(network, latents[0]).cpu().numpy()
