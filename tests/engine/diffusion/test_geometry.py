"""Where voxels and rays fall, whatever the precision of the networks."""

from __future__ import annotations

import pytest
import torch

from teethscape.dental.fdi import Jaw
from teethscape.diffusion.condition import published_views
from teethscape.diffusion.config import OFFICIAL
from teethscape.diffusion.geometry import frustum_points, gathered, grid_points, projected, sampled

LOW = torch.bfloat16


def _geometry():
    cameras, _ = published_views(Jaw.UPPER, OFFICIAL)
    projections = cameras.of_latents(OFFICIAL).flatten(0, 1)[:2]
    places = projected(grid_points(OFFICIAL), projections, OFFICIAL.latent_size)
    return projections, places, frustum_points(projections, OFFICIAL)[0]


def test_mixed_precision_leaves_the_geometry_exact():
    exact = _geometry()
    with torch.autocast("cpu", dtype=LOW):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is LOW
        mixed = _geometry()
    for one, other in zip(exact, mixed, strict=True):
        assert other.dtype is torch.float32
        assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.float16, LOW])
def test_features_in_half_precision_are_found_at_exact_places(dtype):
    projections, _, points = _geometry()
    ramp = torch.linspace(0, 1, OFFICIAL.latent_size)
    found = gathered(ramp.expand(2, 1, len(ramp), -1).to(dtype), projections, OFFICIAL)
    wanted = gathered(ramp.expand(2, 1, len(ramp), -1).to(dtype).float(), projections, OFFICIAL)
    assert torch.equal(found, wanted.to(dtype))
    volume = torch.linspace(0, 1, OFFICIAL.grid).expand(2, 1, *[OFFICIAL.grid] * 3).to(dtype)
    assert torch.equal(sampled(volume, points, OFFICIAL), sampled(volume.float(), points, OFFICIAL).to(dtype))
