"""One step of training: batches, loss, what is learned and how fast (specification, section 8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from teethscape.diffusion.condition import Condition, encoded, photo_tokens, photos_matter
from teethscape.diffusion.config import LATENT_CHANNELS, NetworkConfig
from teethscape.diffusion.denoiser import Denoiser, Shared
from teethscape.diffusion.embeddings import ViewAngles, view_embedding
from teethscape.diffusion.geometry import ViewCameras
from teethscape.diffusion.networks import TeethDreamer
from teethscape.diffusion.schedule import TIMES, noised
from teethscape.diffusion.train_data import Sample

#: Learning rate of the depth transformers; everything else that is learned goes ten times as fast.
RATE = 5e-5
_FASTER = 10.0
_WARM_START, _WARM_STEPS = 0.02, 100
#: Share of the cases in which all of the condition is hidden, and likewise photos, volumes and tokens alone.
_HIDDEN = 0.05


@dataclass(frozen=True)
class Batch:
    """Some jaws on the device.

    Attributes:
        targets: (cases, 2 * views, 3, s, s).
        photos: (cases, 12, s, s).
        views: (cases, 2 * views, 6) embedded views.
        cameras: of the targets.
    """

    targets: Tensor
    photos: Tensor
    views: Tensor
    cameras: ViewCameras

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        cameras = ViewCameras(self.cameras.poses.to(device), self.cameras.intrinsics.to(device))
        return Batch(self.targets.to(device), self.photos.to(device), self.views.to(device), cameras)


def batch_of(samples: list[Sample], size: int) -> Batch:
    """Samples side by side.

    Args:
        samples: at least one.
        size: pixels of the pictures; cameras of renders in another size are fitted to it.
    """
    intrinsics = np.stack([fitted(sample.intrinsics, size) for sample in samples])
    poses = torch.from_numpy(np.stack([sample.poses for sample in samples])).float()
    angles = [torch.from_numpy(np.stack([s.target_angles[k] for s in samples])) for k in range(3)]
    source = [torch.from_numpy(np.stack([s.source_angles[k] for s in samples])) for k in range(3)]
    each = torch.from_numpy(intrinsics)[:, None].expand(-1, poses.shape[1], -1, -1)
    return Batch(
        torch.from_numpy(np.stack([s.targets for s in samples])),
        torch.from_numpy(np.stack([s.photos for s in samples])),
        view_embedding(ViewAngles(*angles), ViewAngles(*source)),
        ViewCameras(poses, each),
    )


def fitted(intrinsics: np.ndarray, size: int) -> np.ndarray:
    """(3, 3) K of the same camera for pictures of ``size`` pixels; the middle says its size."""
    rows = np.array([1, 1, 0]) * (size / (2 * intrinsics[0, 2])) + np.array([0, 0, 1])
    return (intrinsics * rows[:, None]).astype(np.float32)


@dataclass(frozen=True)
class Draw:
    """What is random in a step.

    Attributes:
        times: (cases,) of the noise.
        noise: (cases, 2 * views, 4, h, w).
        view: (cases,) the view that is learned, in both domains.
        chance: (cases,) from 0 to 1, decides what of the condition is hidden.
    """

    times: Tensor
    noise: Tensor
    view: Tensor
    chance: Tensor

    @classmethod
    def of(cls, cases: int, config: NetworkConfig, generator: torch.Generator) -> Draw:
        """A draw on the CPU."""
        shape = (cases, 2 * config.views, 4, config.latent_size, config.latent_size)
        return cls(
            torch.randint(0, TIMES, (cases,), generator=generator),
            torch.randn(shape, generator=generator),
            torch.randint(0, config.views, (cases,), generator=generator),
            torch.rand(cases, generator=generator),
        )

    def to(self, device: torch.device) -> Draw:
        """The same on another device."""
        parts = (self.times, self.noise, self.view, self.chance)
        return Draw(*(part.to(device) for part in parts))


def losses(
    network: TeethDreamer, condition: Condition, clean: Tensor, draw: Draw, hide: bool = False
) -> tuple[Tensor, Tensor]:
    """Mean squared errors of the noise in one colour and one normal view per case.

    Args:
        network: what is trained.
        condition: of the cases.
        clean: (cases, 2 * views, 4, h, w) latents of the targets.
        draw: what is random.
        hide: now and then hide parts of the condition, so that the network can do without.
    """
    denoiser = Denoiser(network, condition)
    noisy = noised(clean, draw.noise, draw.times)
    shared = Shared.of(denoiser, noisy, draw.times)
    cases = torch.arange(len(clean), device=clean.device)
    # Both domains in one call: checkpointed layers look up their volumes again in the backward pass.
    picture = torch.cat([draw.view, draw.view + network.config.views])
    places = torch.stack([cases.repeat(2), picture], 1)
    case = places[:, 0]
    x, tokens, volumes = denoiser.inputs(noisy[case, picture], places, shared)
    if hide:
        x, tokens, volumes = hidden(draw.chance[case], x, tokens, volumes)
    found = network.unet(x, draw.times[case], tokens, volumes).float()
    colours, normals = (found - draw.noise[case, picture]).square().chunk(2)
    return colours.mean(), normals.mean()


def hidden(
    chance: Tensor, x: Tensor, tokens: Tensor, volumes: dict[int, Tensor]
) -> tuple[Tensor, Tensor, dict[int, Tensor]]:
    """The UNet's inputs with parts of the condition gone where the chance (n,) says so."""
    everything = chance <= _HIDDEN

    def kept(part: int, like: Tensor) -> Tensor:
        gone = everything | ((chance > part * _HIDDEN) & (chance <= (part + 1) * _HIDDEN))
        return (~gone).to(like).reshape(-1, *[1] * (like.dim() - 1))

    photos = x[:, LATENT_CHANNELS:]
    x = torch.cat([x[:, :LATENT_CHANNELS], photos * kept(1, photos)], 1)
    volumes = {width: volume * kept(2, volume) for width, volume in volumes.items()}
    return x, tokens * kept(3, tokens), volumes


class TrainingStep(nn.Module):
    """Loss of a batch; a module of its own, so that several cards can share the work."""

    def __init__(self, network: TeethDreamer, hide: bool = False) -> None:
        super().__init__()
        self.network = network
        self.hide = hide
        # Weights that are zero now may grow when the body is learned.
        self.photos_matter = photos_matter(network) or network.unet.body.conv_in.weight.requires_grad

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Losses of the colours and of the normals.

        Args:
            batch: on the network's device.
            generator: of everything random, on the CPU.
        """
        network = self.network
        cases = len(batch.targets)
        clean = encoded(network, batch.targets.flatten(0, 1), generator)
        condition = self._condition(batch, generator)
        draw = Draw.of(cases, network.config, generator).to(clean.device)
        return losses(network, condition, clean.unflatten(0, (cases, -1)), draw, self.hide)

    def _condition(self, batch: Batch, generator: torch.Generator) -> Condition:
        cases = len(batch.photos)
        tokens, photos = photo_tokens(self.network, batch.photos), None
        if self.photos_matter:
            pictures = batch.photos.reshape(-1, 3, *batch.photos.shape[2:])
            photos = encoded(self.network, pictures, generator)
            photos = photos.reshape(cases, -1, *photos.shape[2:])
        return Condition(tokens, photos, batch.views, batch.cameras)


def groups(network: TeethDreamer, rate: float = RATE, body: bool = False) -> list[dict[str, object]]:
    """Parameter groups for AdamW; everything else is frozen.

    As published: the projection, the depth transformers, the volume networks with the time.

    Args:
        network: what is trained.
        rate: learning rate of the depth transformers.
        body: learn the body of the UNet too.
    """
    network.requires_grad_(False)
    unet = network.unet
    parts: list[tuple[str, list[nn.Module], float]] = [
        ("cc_projection", [network.cc_projection], _FASTER),
        ("depth", [unet.middle_conditions, unet.output_conditions], 1.0),
        (
            "volumes",
            [network.normal_volume, network.volume_merge, network.volume_frustum, network.time_embed,
             network.spatial_volume],
            _FASTER,
        ),
    ]  # fmt: skip
    parts += [("body", [unet.body], 1.0)] if body else []
    found: list[dict[str, object]] = []
    for name, modules, factor in parts:
        parameters = [p.requires_grad_(True) for module in modules for p in module.parameters()]
        found.append({"name": name, "params": parameters, "lr": factor * rate})
    return found


def warm_up(step: int) -> float:
    """Multiplier of the learning rates at a step, 0 for the first."""
    return min(1.0, _WARM_START + (1 - _WARM_START) * step / _WARM_STEPS)
