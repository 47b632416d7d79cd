"""One look at noisy views: shared volume, frustums, UNet (specification 2.9 to 2.13; needs torch)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from teethscape.diffusion.condition import LATENTS, Condition, view_tokens
from teethscape.diffusion.config import LATENT_SCALE
from teethscape.diffusion.embeddings import sinusoid
from teethscape.diffusion.geometry import frustum_points, gathered, sampled
from teethscape.diffusion.memory import Chunking
from teethscape.diffusion.networks import TeethDreamer
from teethscape.diffusion.volumes import DomainVolume, by_width, stacked

#: Published strength of the condition.
GUIDANCE = 2.0


class Denoiser:
    """Finds the noise in all views of some jaws.

    Args:
        network: on the device that computes.
        condition: of the jaws, on the same device.
        pictures: numbers of those that are looked at (colours first, then normals); None for all.
    """

    def __init__(
        self, network: TeethDreamer, condition: Condition, pictures: Sequence[int] | None = None
    ) -> None:
        self.network = network
        self.condition = condition
        self._pictures = range(2 * network.config.views) if pictures is None else pictures
        self._projections = condition.cameras.of_latents(network.config)
        self._dtype = network.cc_projection.weight.dtype

    def embedded_time(self, times: Tensor) -> Tensor:
        """(cases, width) of times (cases,) for the volume networks."""
        wave = sinusoid(times, self.network.config.time_width)
        return self.network.time_embed(wave.to(self._dtype))

    def domain_volume(self, latents: Tensor, time: Tensor, domain: int) -> Tensor:
        """(cases, c, s, s, s) volume of one domain.

        Args:
            latents: (cases, views, 4, h, w) noisy views of the domain.
            time: (cases, width) embedded times.
            domain: 0 for colours, 1 for normals.
        """
        part = self.network.normal_volume if domain else self.network.spatial_volume
        features = self.encoded_views(part, latents, time, self._views_of(domain))
        features = gathered(features, self._projections.flatten(0, 1), self.network.config)
        return part.spatial_volume_feats(stacked(features, len(latents)), time)

    def _views_of(self, domain: int) -> Tensor:
        """(cases, views, 6) embedded views of a domain."""
        count = self.network.config.views
        return self.condition.views[:, domain * count : (domain + 1) * count].to(self._dtype)

    @staticmethod
    def encoded_views(part: DomainVolume, latents: Tensor, time: Tensor, views: Tensor) -> Tensor:
        """(cases * views, 16, h, w) features of noisy views."""
        each_time = time.repeat_interleave(latents.shape[1], 0)
        return part.target_encoder(latents.flatten(0, 1), each_time, views.flatten(0, 1))

    def volume(self, latents: Tensor, time: Tensor) -> Tensor:
        """(cases, c, s, s, s) the merged volume of latents (cases, 2 * views, 4, h, w)."""
        count = self.network.config.views
        latents = latents.to(self._dtype)
        both = [self.domain_volume(latents[:, i * count : (i + 1) * count], time, i) for i in (0, 1)]
        return self.network.volume_merge(torch.cat(both, 1), time)

    def frustums(self, volume: Tensor, time: Tensor, places: Tensor) -> dict[int, Tensor]:
        """By width the features of one view per row.

        Args:
            volume: (n, c, s, s, s) merged volume of each row's case.
            time: (n, width) embedded time of each row's case.
            places: (n, 2) case and picture (colours first, then normals) of each row.
        """
        case, picture = places.unbind(1)
        config = self.network.config
        points, _ = frustum_points(self._projections[case, picture % config.views], config)
        views = self.condition.views[case, picture].to(self._dtype)
        return by_width(self.network.volume_frustum(sampled(volume, points, config), time, views))

    def inputs(
        self, latents: Tensor, places: Tensor, shared: Shared
    ) -> tuple[Tensor, Tensor, dict[int, Tensor]]:
        """What the UNet takes with the condition: (n, 20, h, w), (n, 4, width), frustum features."""
        case, picture = places.unbind(1)
        volumes = self.frustums(shared.volume[case], shared.time[case], places)
        tokens = view_tokens(self.network, self.condition.tokens[case], self.condition.views[case, picture])
        return self._with_photos(latents, case), tokens, volumes

    def _with_photos(self, latents: Tensor, case: Tensor) -> Tensor:
        """(n, 20, h, w): the noisy views and the photos, these without the latent scale."""
        photos = self.condition.photos
        beside = blank(latents) if photos is None else photos[case] / LATENT_SCALE
        return torch.cat([latents, beside.to(latents)], 1).to(self._dtype)

    @torch.no_grad()
    def guided(
        self, latents: Tensor, time: int, chunking: Chunking, guidance: float = GUIDANCE,
        done: Callable[[float], None] = lambda _: None,
    ) -> Tensor:  # fmt: skip
        """(cases, 2 * views, 4, h, w) float32 noise in the views, pushed away from what is unconditional.

        Pictures that are not looked at have none; they still tell the volumes what they show.

        Args:
            latents: of that shape.
            time: of all of them.
            chunking: how much is worked on at once; it does not change the result.
            guidance: strength of the condition; 1 leaves the unconditional half out.
            done: told the share of the pictures that are done.
        """
        cases, looked = len(latents), len(self._pictures)
        times = torch.full((cases,), time, device=latents.device)
        shared = Shared.of(self, latents, times)
        found = torch.zeros_like(latents, dtype=torch.float32)
        for number, rows in enumerate(_chunks(cases, self._pictures, chunking.views, latents.device)):
            case, picture = rows.unbind(1)
            noisy = latents[case, picture]
            each_time = times[case]
            found[case, picture] = self._guided_rows(noisy, each_time, rows, shared, (chunking, guidance))
            done(min((number + 1) * chunking.views / (cases * looked), 1.0))
        return found

    def _guided_rows(
        self, noisy: Tensor, times: Tensor, places: Tensor, shared: Shared, how: tuple[Chunking, float]
    ) -> Tensor:
        chunking, guidance = how
        x, tokens, volumes = self.inputs(noisy, places, shared)
        unet = self.network.unet
        if guidance == 1.0:
            return unet(x, times, tokens, volumes).float()
        free = torch.cat([noisy, blank(noisy)], 1).to(x), torch.zeros_like(tokens)
        if chunking.together:
            both = torch.cat([x, free[0]]), times.repeat(2), torch.cat([tokens, free[1]])
            with_it, without = unet(*both, volumes).float().chunk(2)
        else:
            with_it = unet(x, times, tokens, volumes).float()
            del volumes
            without = unet(free[0], times, free[1], {}).float()
        return without + guidance * (with_it - without)


@dataclass(frozen=True)
class Shared:
    """What all views of a case share at one step.

    Attributes:
        volume: (cases, c, s, s, s) merged volume.
        time: (cases, width) embedded time.
    """

    volume: Tensor
    time: Tensor

    @classmethod
    def of(cls, denoiser: Denoiser, latents: Tensor, times: Tensor) -> Shared:
        """From all noisy views (cases, 2 * views, 4, h, w) at times (cases,)."""
        time = denoiser.embedded_time(times)
        return cls(denoiser.volume(latents, time), time)


def blank(latents: Tensor) -> Tensor:
    """(n, 16, h, w) no photos."""
    return latents.new_zeros(len(latents), LATENTS, *latents.shape[2:])


def _chunks(cases: int, pictures: Sequence[int], size: int, device: torch.device) -> Iterator[Tensor]:
    """Places (n, 2) of the pictures, case after case."""
    for case in range(cases):
        for start in range(0, len(pictures), size):
            rows = torch.tensor(list(pictures[start : start + size]), device=device)
            yield torch.stack([torch.full_like(rows, case), rows], 1)
