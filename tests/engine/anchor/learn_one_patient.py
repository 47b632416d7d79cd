"""Trains the tiny network of ``one_patient.py``: a program, not a test.

From the folder ``tests/engine``: ``python -m anchor.learn_one_patient WORK`` fits the jaw to its photos in
WORK and writes the network's file. Three lessons, all learned by heart: an autoencoder of the jaw's sixteen
views; how to paint these from the photos; how to make pictures of latents as the sampling leaves them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaws
from teethscape.dental.wishes import Backdrop
from teethscape.diffusion.card import Card
from teethscape.diffusion.condition import Condition, encoded
from teethscape.diffusion.config import LATENT_CHANNELS, LATENT_SCALE, TINY, NetworkConfig
from teethscape.diffusion.denoiser import Denoiser, Shared
from teethscape.diffusion.geometry import ViewCameras
from teethscape.diffusion.memory import LADDER
from teethscape.diffusion.networks import TeethDreamer
from teethscape.diffusion.painter import Painter, Recipe
from teethscape.diffusion.schedule import TIMES, Steps, kept, noised
from teethscape.diffusion.sources import JawPhotos, read_source
from teethscape.diffusion.start import fresh
from teethscape.diffusion.weights_file import write_network
from teethscape.progress import NoProgress
from teethscape.reconstruct import reconstruct

from .one_patient import JAW, NETWORK, STEPS, known_request, sample_crowns
from .orthogonal import Learner
from .paint import Brush, tiles, truth_of

#: Half the published pictures' side, and an autoencoder that a CPU trains in minutes.
SIZES = replace(TINY, image_size=128, vae_channels=(8, 16, 32, 32))
#: Weight of the empty background against that of teeth and of their surroundings of so many pixels.
_EMPTY, _AROUND = 0.13, 3
#: Share of the views that are learned without their condition, and limits of the weight by noise.
_WITHOUT, _LEAST_WEIGHT, _MOST_WEIGHT = 0.125, 0.3, 5.0
#: Noise that latents bear, and the weight of their being of unit size.
_NOISE, _UNIT = 0.03, 0.01
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Lessons:
    """How long is learned.

    Attributes:
        pictures: steps of the autoencoder.
        views: steps of the painting.
        sampled: steps of the decoder with sampled latents.
        seeds: samplings for that.
        batch: pictures per step of the autoencoder.
        cases: amounts of noise per step of the painting.
        rate: highest rate of matrices.
        rest: highest rate of everything else.
    """

    pictures: int = 500
    views: int = 900
    sampled: int = 500
    seeds: int = 6
    batch: int = 2
    cases: int = 4
    rate: float = 0.02
    rest: float = 4e-3


def wanted_views(crowns: Mapping[int, Crown], config: NetworkConfig = SIZES) -> Tensor:
    """(2 * views, 3, s, s) from -1 to 1: the views that are learned."""
    parts = np.stack(tiles(crowns, JAW, truth_of(crowns), Brush(size=config.image_size)))
    return torch.from_numpy(parts).permute(0, 3, 1, 2).float() / 127.5 - 1


class Lesson:
    """A network that learns the views of one jaw.

    Args:
        photos: of the jaw, as `generate` reads them.
        wanted: (2 * views, 3, s, s) what it shall paint.
        lessons: how long.
    """

    def __init__(self, photos: JawPhotos, wanted: Tensor, lessons: Lessons) -> None:
        torch.manual_seed(0)
        self.photos, self.wanted, self.lessons = photos, wanted, lessons
        self.network = fresh(SIZES)
        teeth = (wanted.amin(1, keepdim=True) < 0.98).float()
        weights = _EMPTY + functional.max_pool2d(teeth, 2 * _AROUND + 1, 1, _AROUND)
        self.weights = weights / weights.mean()

    def learn(self) -> TeethDreamer:
        """All three lessons."""
        self._pictures()
        clean = encoded(self.network.eval(), self.wanted, None)
        condition = self._condition()
        self._views(condition, clean)
        self._sampled(condition, clean)
        return self.network.eval()

    def _pictures(self) -> None:
        """The autoencoder: latents of unit size."""
        vae, lessons, fast = self.network.vae.train(), self.lessons, torch.channels_last
        learner = Learner(vae.to(memory_format=fast), lessons.rate, lessons.rest, lessons.pictures)
        order = torch.cat([torch.randperm(len(self.wanted)) for _ in range(lessons.pictures)])
        for step in range(lessons.pictures):
            rows = order[step * lessons.batch : (step + 1) * lessons.batch]
            pictures = self.wanted[rows].contiguous(memory_format=fast)
            latents = vae.encode(pictures).latent_dist.mean * LATENT_SCALE
            sizes, middles = latents.square().mean((0, 2, 3)), latents.mean((0, 2, 3))
            unit = (sizes - 1).square().mean() + middles.square().mean()
            loss = self._off(latents + _NOISE * torch.randn_like(latents), rows)
            learner.learn(loss + _UNIT * unit)
            _tell("pictures", step, loss)

    def _off(self, latents: Tensor, rows: Tensor) -> Tensor:
        """How far pictures of latents are from the wanted ones."""
        found = self.network.vae.decode(latents / LATENT_SCALE).sample
        return ((found - self.wanted[rows]).abs() * self.weights[rows]).mean()

    def _condition(self) -> Condition:
        """What the photos tell, as often as a step has amounts of noise."""
        painter = Painter(self.network, Card(_CPU, torch.float32), 0)
        generator = torch.Generator().manual_seed(0)
        one = painter.condition(self.photos, Recipe(STEPS), generator, NoProgress())
        parts = (one.tokens, one.photos, one.views, one.cameras.poses, one.cameras.intrinsics)
        count = self.lessons.cases
        tokens, photos, views, poses, intrinsics = (
            part.expand(count, *part.shape[1:]) for part in parts if part is not None
        )
        return Condition(tokens, photos, views, ViewCameras(poses, intrinsics))

    def _views(self, condition: Condition, clean: Tensor) -> None:
        """Everything but autoencoder and image encoder: the noise in views."""
        network, lessons = self.network, self.lessons
        network.train().requires_grad_(True)
        for part in (network.vae.eval(), network.clip.eval()):
            part.requires_grad_(False)
        learner = Learner(network, lessons.rate, lessons.rest, lessons.views)
        for step in range(lessons.views):
            loss = self._noise_off(condition, clean.expand(lessons.cases, *clean.shape))
            learner.learn(loss)
            _tell("views", step, loss)
        network.eval()

    def _noise_off(self, condition: Condition, clean: Tensor) -> Tensor:
        """Error of the noise: each view once, at one of several times; some without their condition."""
        cases, count = clean.shape[:2]
        times = ((torch.arange(cases) + torch.rand(cases)) * TIMES / cases).long()
        noise = torch.randn_like(clean)
        noisy, denoiser = noised(clean, noise, times), Denoiser(self.network, condition)
        case, picture = torch.arange(count) % cases, torch.randperm(count)
        shared = Shared.of(denoiser, noisy, times)
        x, tokens, volumes = denoiser.inputs(noisy[case, picture], torch.stack([case, picture], 1), shared)
        told = (torch.rand(count) > _WITHOUT).float().reshape(-1, 1, 1, 1)
        x = torch.cat([x[:, :LATENT_CHANNELS], x[:, LATENT_CHANNELS:] * told], 1)
        volumes = {width: volume * told[..., None] for width, volume in volumes.items()}
        found = self.network.unet(x, times[case], tokens * told[..., 0], volumes)
        left = kept()[times[case]]
        weight = ((1 - left) / left).clamp(_LEAST_WEIGHT, _MOST_WEIGHT)
        return ((found - noise[case, picture]).square().mean((1, 2, 3)) * weight).mean()

    def _sampled(self, condition: Condition, clean: Tensor) -> None:
        """The decoder: pictures of latents as the sampling leaves them."""
        vae, lessons = self.network.vae, self.lessons
        latents = torch.stack([clean, *self._samples(condition)])
        self.network.requires_grad_(False)
        for part in (vae.decoder, vae.post_quant_conv):
            part.requires_grad_(True)
        learner = Learner(vae, lessons.rate, lessons.rest, lessons.sampled)
        for step in range(lessons.sampled):
            rows = torch.randint(len(self.wanted), (lessons.batch,))
            some = latents[torch.randint(len(latents), (lessons.batch,)), rows]
            loss = self._off(some + _NOISE * torch.randn_like(some), rows)
            learner.learn(loss)
            _tell("sampled", step, loss)

    @torch.no_grad()
    def _samples(self, condition: Condition) -> list[Tensor]:
        """Latents (2 * views, 4, h, w) of some samplings."""
        steps, size = Steps(STEPS), SIZES.latent_size
        generator, found = torch.Generator().manual_seed(1), []
        shape = (self.lessons.cases, len(self.wanted), LATENT_CHANNELS, size, size)
        for _ in range(-(-self.lessons.seeds // self.lessons.cases)):
            latents = torch.randn(shape, generator=generator)
            for number, at in enumerate(steps.times):
                noise = Denoiser(self.network, condition).guided(latents, at, LADDER[0])
                last = number == len(steps) - 1
                extra = None if last else torch.randn(shape, generator=generator)
                latents = steps.step(number, latents, noise, extra)
            found += list(latents)
        return found


def _tell(what: str, step: int, loss: Tensor) -> None:
    if step % 25 == 0:
        sys.stderr.write(f"{what} {step} {float(loss.detach()):.4f} {time.process_time():.0f} s\n")


def main(work: Path) -> None:
    """Fit the jaw, learn, write the file."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    reconstruct(known_request(work / "case"), NoProgress())
    photos = read_source(work / "case", Jaws(JAW.value), Backdrop.AS_GIVEN, NoProgress())[0]
    made = Lesson(photos, wanted_views(sample_crowns()), Lessons()).learn()
    write_network(NETWORK, SIZES, made.state_dict(), half=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
