"""Steps of sampling for any number of them."""

from __future__ import annotations

import pytest
import torch

from teethscape.diffusion.generate import check_steps
from teethscape.diffusion.schedule import MOST_STEPS, TIMES, Steps
from teethscape.errors import BadInputError


@pytest.mark.parametrize("count", [2, 10, 50, 200, 500])
def test_steps_are_those_of_diffusers(count):
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    library = DDIMScheduler(
        num_train_timesteps=TIMES, beta_start=0.00085, beta_end=0.0120, beta_schedule="scaled_linear",
        clip_sample=False, set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading",
    )  # fmt: skip
    library.set_timesteps(count)
    steps = Steps(count)
    assert steps.times == library.timesteps.tolist()
    latents, noise, fresh = torch.randn(3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for number in (0, count // 2, count - 1):
        wanted = library.step(noise, steps.times[number], latents, eta=1.0, variance_noise=fresh).prev_sample
        torch.testing.assert_close(steps.step(number, latents, noise, fresh), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [2, 3, 7, 60, 150, 300, 501, 700, MOST_STEPS])
def test_any_number_of_steps_leads_from_noise_to_the_picture(count):
    steps = Steps(count)
    assert len(set(steps.times)) == count
    assert steps.times == sorted(steps.times, reverse=True)
    assert steps.times[-1] == 1
    assert TIMES - steps.times[0] <= TIMES // count + 1  # no larger a gap than between the others
    picture, noise = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(0))
    left = float(steps.tables().left[-1])
    latents = left**0.5 * picture + (1 - left) ** 0.5 * noise
    for number in range(count):  # told the true noise, every step keeps to the picture
        now = float(steps.tables().left[count - 1 - number])
        latents = steps.step(number, latents, (latents - now**0.5 * picture) / (1 - now) ** 0.5, None)
    torch.testing.assert_close(latents, picture, atol=0.1, rtol=0)


@pytest.mark.parametrize("count", [1, MOST_STEPS + 1])
def test_other_numbers_are_refused(count):
    with pytest.raises(BadInputError, match="not possible"):
        check_steps(count)
