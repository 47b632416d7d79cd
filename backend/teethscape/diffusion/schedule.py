"""Noise schedule and the steps of sampling (specification, sections 2.3 and 2.14; needs torch).

Steps are those of DDIM with eta 1 (Song et al., "Denoising Diffusion Implicit Models", ICLR
2021), set as the published sampler is. `diffusers.DDIMScheduler` takes the same ones (tested), but
only where the number of steps divides the number of times.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TIMES = 1000
#: With one more the first step would begin after the last time.
MOST_STEPS = TIMES - 1
_FIRST, _LAST = 0.00085, 0.0120
_SMALLEST_LOG = -10.0
#: Share of the DDPM noise that each step adds again.
_ETA = 1.0


def betas() -> Tensor:
    """(1000,) float32 added variances."""
    return torch.linspace(_FIRST**0.5, _LAST**0.5, TIMES, dtype=torch.float32) ** 2


def kept() -> Tensor:
    """(1000,) float32 shares of the picture's variance that are left at each time."""
    return torch.cumprod(1 - betas(), 0)


def buffers() -> dict[str, Tensor]:
    """The seven tables that a published checkpoint holds."""
    added, left = betas(), kept()
    before = torch.cat([torch.ones(1), left[:-1]])
    variance = added * (1 - before) / (1 - left)
    return {
        "betas": added,
        "alphas": 1 - added,
        "alphas_cumprod": left,
        "sqrt_alphas_cumprod": left.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - left).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log().clamp(min=_SMALLEST_LOG),
    }


def noised(clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """Latents (cases, ...) at times (cases,) from clean ones and noise of the same shape."""
    left = kept().to(clean.device)[times].reshape(-1, *[1] * (clean.dim() - 1)).to(clean.dtype)
    return left.sqrt() * clean + (1 - left).sqrt() * noise


@dataclass(frozen=True)
class Tables:
    """The numbers of a sampling's steps, from the last step (time 1) to the first.

    Attributes:
        times: (steps,) int64.
        left: (steps,) share of the picture at each time.
        left_before: (steps,) share after the step.
        spread: (steps,) standard deviation of the noise that is added.
    """

    times: Tensor
    left: Tensor
    left_before: Tensor
    spread: Tensor


def _tables(times: list[int]) -> Tables:
    """The numbers of steps that end at rising times."""
    rows = torch.tensor(times)
    left = kept()[rows]
    before = torch.cat([kept()[:1], left[:-1]])
    spread = _ETA * ((1 - before) / (1 - left) * (1 - left / before)).sqrt()
    return Tables(rows, left, before, spread)


class Steps:
    """The way from noise to latents.

    Args:
        count: number of steps, 2 to `MOST_STEPS`; the published one is 200.
    """

    def __init__(self, count: int) -> None:
        # Where the count divides the times these are the published ones. Else the published program would
        # begin too early: with 501 steps at time 501, where half of the picture should be there already.
        self.times: list[int] = [number * TIMES // count + 1 for number in reversed(range(count))]
        self._tables = _tables(self.times[::-1])

    def __len__(self) -> int:
        return len(self.times)

    def tables(self) -> Tables:
        """The numbers behind the steps."""
        return self._tables

    def step(self, number: int, latents: Tensor, noise_found: Tensor, fresh: Tensor | None) -> Tensor:
        """The latents after a step.

        Args:
            number: of the step, 0 for the first.
            latents: before it.
            noise_found: noise that the network sees in them.
            fresh: noise to add; None at the last step, which adds none.
        """
        row = len(self.times) - 1 - number
        before, spread = float(self._tables.left_before[row]), float(self._tables.spread[row])
        moved = before**0.5 * self.clean(number, latents, noise_found)
        moved = moved + (1 - before - spread**2) ** 0.5 * noise_found
        return moved if fresh is None else moved + spread * fresh

    def clean(self, number: int, latents: Tensor, noise_found: Tensor) -> Tensor:
        """What the latents would be without the noise that the network sees in them."""
        left = float(kept()[self.times[number]])
        return (latents - (1 - left) ** 0.5 * noise_found) / left**0.5
