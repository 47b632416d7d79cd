"""One denoising step at full size with random weights, on the CPU."""

from __future__ import annotations

import os

import pytest
import torch
from torch import nn

from teethscape.dental.fdi import Jaw
from teethscape.diffusion.condition import Condition, published_views
from teethscape.diffusion.config import OFFICIAL
from teethscape.diffusion.denoiser import Denoiser
from teethscape.diffusion.memory import Chunking
from teethscape.diffusion.networks import TeethDreamer, load
from teethscape.diffusion.schedule import Steps
from teethscape.weights.tensor_table import teethdreamer

#: Bytes that the step needs: the networks without encoders in float32, and what lives in between.
NEEDED = 7_000_000_000


def _free_bytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") if hasattr(os, "sysconf") else 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@torch.no_grad()
def test_one_step_of_the_published_sizes():
    """7 TFLOP: minutes on a CPU. All 1817 names load; the encoders stay empty, since nothing runs them."""
    if _free_bytes() < NEEDED:
        pytest.skip(f"needs {NEEDED / 1e9:.0f} GB of free memory")
    generator = torch.Generator().manual_seed(0)
    network = TeethDreamer.empty(OFFICIAL)
    state = {name: torch.empty(shape, device="meta") for name, shape in teethdreamer().shapes.items()}
    report = load(network, state)
    assert (report.missing, report.unexpected) == ((), ())
    for part in (p for name, p in network.named_children() if name not in ("vae", "clip")):
        _fill(part, generator)
    cameras, views = published_views(Jaw.LOWER, OFFICIAL)
    tokens = torch.randn(1, 4, OFFICIAL.token_width, generator=generator)
    denoiser = Denoiser(network, Condition(tokens, None, views, cameras))
    latents = torch.randn(1, 16, 4, 32, 32, generator=generator)
    steps = Steps(200)
    noise = denoiser.guided(latents, steps.times[0], Chunking(4, True))
    assert noise.shape == latents.shape
    assert torch.isfinite(noise).all()
    assert noise.std() > 0
    after = steps.step(0, latents, noise, torch.randn(latents.shape, generator=generator))
    assert torch.isfinite(after).all()


def _fill(part, generator):
    """Weights of a spread that keeps the numbers alike from layer to layer; norms do nothing."""
    for module in part.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            norm = isinstance(module, (nn.GroupNorm, nn.LayerNorm))
            spread = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.0
            values = torch.randn(parameter.shape, generator=generator) * spread
            values = values + float(norm and name == "weight")
            setattr(module, name, nn.Parameter(values, requires_grad=False))
