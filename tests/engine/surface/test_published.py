"""Numbers of the published trainings that no fixture pins; their specifications tell them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.surface.gspull.gaussians import Gaussians  # noqa: E402
from teethscape.surface.gspull.pull import PullState  # noqa: E402
from teethscape.surface.gspull.sdf import PullNetwork  # noqa: E402
from teethscape.surface.gspull.train import GaussianRules, GaussianTrainer  # noqa: E402
from teethscape.surface.neus.batches import RayBank  # noqa: E402
from teethscape.surface.neus.losses import LossRules, normal_loss  # noqa: E402
from teethscape.surface.neus.occupancy import Occupancy  # noqa: E402
from teethscape.surface.neus.presets import load_preset  # noqa: E402
from teethscape.surface.neus.schedule import next_rays  # noqa: E402
from teethscape.surface.neus.train import Trainer  # noqa: E402
from teethscape.surface.request import GridName  # noqa: E402

from .scene import arch_mesh, views_of  # noqa: E402


def _trainer(**changes):
    """The published training of NeuS at a size that takes milliseconds."""
    sizes = {"samples_per_ray": 64, "levels": 2, "base": 4, "finest": 8, "log2_table": 8, "occupancy": 8}
    preset = replace(load_preset("upstream", with_normals=True), **sizes, **changes)
    views = views_of(*arch_mesh(), size=32)
    views = replace(views, foreground=0.8 * views.foreground)  # so that backgrounds shine through
    torch.manual_seed(0)
    return Trainer(preset, RayBank(views, (np.zeros(3), 1.0), torch.device("cpu")), GridName.TORCH)


def test_the_optimiser_of_neus():
    for group in _trainer().optimiser.param_groups:
        assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.9, 0.99), 1e-15, 0.01)


@pytest.mark.parametrize(("samples", "rays"), [(2_000_000, 257), (30_000_000, 232), (1, 8192), (0, 256)])
def test_rays_of_the_next_step_follow_its_samples_slowly(samples, rays):
    """``int(0.9 N + 0.1 int(N 256 8192 / samples))``, at most 8192."""
    preset = load_preset("upstream", with_normals=True)
    assert next_rays(preset.first_rays, samples, preset.sample_target, preset.most_rays) == rays


def _alone(loss, monkeypatch):
    """A trainer's loss of that name alone, and what it was made from."""
    trainer = _trainer(lambdas={loss: 1.0})
    trainer.update_occupancy()
    batch = trainer.bank.random(200, near_only=True)
    out = trainer.render(batch, jitter=False)
    background, rand = torch.tensor([0.1, 0.6, 0.9]), torch.rand
    monkeypatch.setattr(torch, "rand", lambda *n, **more: background if n == (3,) else rand(*n, **more))
    return float(trainer._loss(out, batch).detach()), out, batch.targets, background


def test_colours_are_wanted_over_the_background_that_was_drawn(monkeypatch):
    found, out, targets, background = _alone("rgb_mse", monkeypatch)
    share = targets.foreground[:, None]
    error = out.over(background) - (targets.colour * share + background * (1 - share))
    use = out.valid & (targets.colour_mask > 0.5)
    assert use.any()
    assert found == pytest.approx(float((error[use] ** 2).sum(dim=1).mean().detach()), rel=1e-5)


def test_normals_are_weighed_by_how_frontally_they_are_seen(monkeypatch):
    found, out, targets, _ = _alone("normal", monkeypatch)
    assert targets.normal is not None
    wanted = normal_loss(out.normal, targets.normal, targets, LossRules(geo_aware=True))
    assert found == pytest.approx(float(wanted.detach()), rel=1e-5)


def test_occupancy_decays_and_is_looked_at_everywhere_for_256_steps():
    rules = _trainer().occupancy.rules
    grid = Occupancy(0.5, 8, rules)
    grid.update(0, lambda points: torch.full((len(points),), 0.8))
    grid.update(16, lambda points: torch.zeros(len(points)))
    torch.testing.assert_close(grid.occs, torch.full((512,), 0.8 * 0.95))
    assert [step for step in range(40) if grid.is_due(step)] == [0, 16, 32]
    assert torch.equal(grid._chosen(255), torch.arange(512))
    assert len(grid._chosen(256)) == 128 + 128  # a quarter of all, and as many occupied ones at most
    grid.binary[5:] = False
    assert grid._chosen(256)[128:].tolist() == [0, 1, 2, 3, 4]


def test_rates_of_gaussians_and_distance():
    cloud = Gaussians(np.random.default_rng(0).uniform(-1, 1, (20, 3)), np.full((20, 3), 0.5), degree=3)
    trainer = GaussianTrainer(cloud, views_of(*arch_mesh(), size=16), GaussianRules(harmonics=3))
    rates = {group["name"]: group["lr"] for group in trainer.optimiser.param_groups}
    wanted = {"log_scales": 5e-3, "quaternions": 1e-3, "logits": 0.05, "shades": 2.5e-3, "tints": 2.5e-3 / 20}
    assert {name: rates[name] for name in wanted} == pytest.approx(wanted)
    distance = PullState.fresh(PullNetwork(8), np.random.default_rng(0)).optimiser
    for optimiser in (trainer.optimiser, distance):
        assert {group["eps"] for group in optimiser.param_groups} == {1e-15}
    assert float(cloud.opacity[0].detach()) == pytest.approx(0.5)
