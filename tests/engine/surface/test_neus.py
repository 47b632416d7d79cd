"""Parts of NeuS that no fixture pins: slopes of the grid, levels, occupancy, one training step."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from dataclasses import replace  # noqa: E402

from teethscape.dental.request import Device  # noqa: E402
from teethscape.dental.units import ScaleRecord, ScaleSource  # noqa: E402
from teethscape.dental.wishes import SurfaceMethod  # noqa: E402
from teethscape.errors import CancelledError, ResourceError  # noqa: E402
from teethscape.mesh.solid import FileNote  # noqa: E402
from teethscape.progress import NoProgress  # noqa: E402
from teethscape.surface import session as session_module  # noqa: E402
from teethscape.surface.frame import Frame  # noqa: E402
from teethscape.surface.job import Job  # noqa: E402
from teethscape.surface.neus import method  # noqa: E402
from teethscape.surface.neus.batches import RayBank  # noqa: E402
from teethscape.surface.neus.encodings import FrequencyEncoding, TcnnGrid  # noqa: E402
from teethscape.surface.neus.fields import NeusModel, SdfField  # noqa: E402
from teethscape.surface.neus.hash_grid import HashGrid, HashGridSpec  # noqa: E402
from teethscape.surface.neus.losses import distortion, laplacian  # noqa: E402
from teethscape.surface.neus.march import Samples  # noqa: E402
from teethscape.surface.neus.occupancy import STARTED, Occupancy, resting_opacity  # noqa: E402
from teethscape.surface.neus.presets import load_preset  # noqa: E402
from teethscape.surface.neus.render import spread_along_rays  # noqa: E402
from teethscape.surface.neus.schedule import active_levels, weight_at  # noqa: E402
from teethscape.surface.neus.train import Trainer  # noqa: E402
from teethscape.surface.request import GridName, SurfaceRequest  # noqa: E402
from teethscape.surface.session import Session  # noqa: E402

from .scene import arch_mesh, views_of  # noqa: E402

SPEC = HashGridSpec(4, 2, 8, 4, 1.6)


@pytest.fixture
def grid():
    torch.manual_seed(0)
    found = HashGrid(SPEC)
    found.table.data.normal_()
    return found


def test_slopes_of_the_grid_are_differences_of_its_values(grid):
    points = torch.rand(200, 3) * 0.9 + 0.05
    _, slopes = grid(points)
    step = 1e-4
    for axis in range(3):
        shift = torch.zeros(3)
        shift[axis] = step
        measured = (grid.values(points + shift) - grid.values(points - shift)) / (2 * step)
        close = (measured - slopes[..., axis]).abs() < 0.05
        assert close.float().mean() > 0.98  # some differences cross the border of a cell


def test_gradients_to_the_table_are_right(grid):
    points = torch.rand(20, 3)
    weights = torch.randn(20, 8), torch.randn(20, 8, 3)

    def loss():
        values, slopes = grid(points)
        return (values * weights[0]).sum() + (slopes * weights[1]).sum()

    loss().backward()
    row = int(grid.table.grad.abs().sum(dim=1).argmax())
    with torch.no_grad():
        before = float(loss())
        grid.table[row, 0] += 1e-2
        after = float(loss())
    assert (after - before) / 1e-2 == pytest.approx(float(grid.table.grad[row, 0]), rel=1e-2)


def test_levels_that_are_not_active_are_zero(grid):
    grid.active = 2
    points = torch.rand(5, 3)
    values, slopes = grid(points)
    assert values.shape == (5, 8)
    assert not values[:, 4:].any()
    assert not slopes[:, 4:].any()
    assert torch.allclose(values, grid.values(points))


def test_the_fresh_field_is_a_sphere():
    torch.manual_seed(0)
    field = SdfField(HashGrid(SPEC), 0.5)
    points = torch.randn(500, 3)
    points = 0.25 * points / points.norm(dim=1, keepdim=True)
    with torch.no_grad():
        middle, on, far = (float(field.sdf(factor * points).mean()) for factor in (0.0, 1.0, 1.9))
    assert abs(on) < 0.1
    assert middle < -0.1
    assert far > 0.1


def test_the_written_out_gradient_is_that_of_automatic_differentiation():
    torch.manual_seed(0)
    model = NeusModel(FrequencyEncoding(3), 0.5)
    points = (torch.rand(50, 3) - 0.5).requires_grad_(True)
    (wanted,) = torch.autograd.grad(model.geometry(points).sdf.sum(), points)
    np.testing.assert_allclose(model.geometry(points).gradient.detach(), wanted, atol=1e-4)


def test_views_are_held_out_in_parts_that_fit_into_memory():
    trainer = _tiny()
    whole = trainer.held_out_error(trainer.bank, rays=8)
    trainer.rays = 10
    assert trainer.held_out_error(trainer.bank, rays=8) == pytest.approx(whole, rel=1e-5)


def test_weights_may_be_ramps():
    assert weight_at([100, 0.0, 1.0, 200], 150) == 0.5
    assert weight_at([0.0, 1.0, 200], 50) == 0.25
    assert [active_levels(s, 4, 1000, 16) for s in (0, 999, 1000, 50_000)] == [4, 4, 5, 16]


def test_distortion_is_that_of_all_pairs():
    rng = torch.Generator().manual_seed(0)
    w, length = torch.rand(3, 5, generator=rng), torch.full((3, 5), 0.1)
    m = torch.cumsum(length, dim=1)
    pairs = (w[:, :, None] * w[:, None] * (m[:, :, None] - m[:, None]).abs()).sum(dim=(1, 2))
    wanted = (pairs + (w**2 * length).sum(dim=1) / 3).mean()
    assert torch.allclose(distortion(w, m, length), wanted, atol=1e-6)


def _tiny(**changes):
    """A trainer of the small preset at a size that takes milliseconds a step."""
    sizes = {
        "samples_per_ray": 64, "first_rays": 32, "most_rays": 32, "occupancy": 16, "smooth_points": 16,
        "levels": 3, "finest": 24, "log2_table": 12,
    }  # fmt: skip
    small = replace(load_preset("small", True), **{**sizes, **changes})
    views = views_of(*arch_mesh(), size=32)
    torch.manual_seed(0)
    return Trainer(small, RayBank(views, (np.zeros(3), 1.0), torch.device("cpu")), GridName.TORCH)


def test_the_spread_of_rays_with_unlike_many_samples_is_their_distortion():
    """Two samples far apart, none, and one: what all pairs of weights say, and the samples themselves."""
    start = torch.tensor([1.0, 2.0, 3.0])
    samples = Samples(torch.tensor([0, 0, 2]), start, start + 0.5, torch.tensor([0, 1, 0]), 2)
    found = spread_along_rays(torch.tensor([0.5, 0.4, 0.6]), samples, 3)
    wanted = (2 * 0.5 * 0.4 * 1.0 + 0.5 * (0.5**2 + 0.4**2) / 3 + 0.5 * 0.6**2 / 3) / 3
    assert float(found) == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["upstream", "teeth", "small"])
@pytest.mark.parametrize("with_normals", [True, False])
def test_no_preset_weighs_what_is_published_with_weight_zero(name, with_normals):
    lambdas = load_preset(name, with_normals).lambdas
    assert {lambdas[loss] for loss in ("distortion", "opaque", "curvature", "rgb_l1")} == {0}


def test_the_laplacian_of_a_sphere_is_two_by_the_radius():
    points = torch.nn.functional.normalize(torch.randn(50, 3, dtype=torch.float64), dim=1) * 0.3
    found = laplacian(lambda p: p.norm(dim=1) - 0.3, points, 1e-3)
    assert torch.allclose(found, torch.tensor(2 / 0.3, dtype=torch.float64), atol=1e-3)


def _alone(loss):
    """A trainer that learns from one loss, with weight 2; what it renders and the weighted loss of that."""
    trainer = _tiny(lambdas={loss: 2.0})
    trainer.update_occupancy()
    batch = trainer.bank.random(32, near_only=True)
    out = trainer.render(batch, jitter=False)
    return trainer, batch, out, trainer._loss(out, batch)


def _teaches_the_geometry(trainer, loss):
    loss.backward()
    return any(p.grad is not None and bool(p.grad.any()) for p in trainer.model.geometry.parameters())


def test_distortion_is_learnt_from_where_it_has_a_weight():
    trainer, _, out, loss = _alone("distortion")
    wanted = 2 * spread_along_rays(out.weights, out.samples, 32)
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()))
    assert float(wanted.detach()) > 0
    assert _teaches_the_geometry(trainer, loss)


def test_curvature_is_learnt_from_where_it_has_a_weight():
    trainer, batch, out, loss = _alone("curvature")
    points = batch.origins[out.samples.ray] + out.samples.middle[:, None] * batch.directions[out.samples.ray]
    cell = 1 / trainer.preset.grid.scales[trainer.model.geometry.encoding.active - 1]
    wanted = 2 * laplacian(trainer.model.geometry.sdf, points, cell).abs().mean()
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-4)
    assert float(wanted.detach()) > 0
    with torch.no_grad():  # fresh, the distance does not ask the grid
        first = trainer.model.geometry.network.layers["0"]
        first.weight_v += 0.1
    loss = trainer._loss(trainer.render(batch, jitter=False), batch)
    assert _teaches_the_geometry(trainer, loss)
    assert bool(trainer.model.geometry.encoding.table.grad.any())


def test_hash_grid_network_texture_and_sharpness_learn_at_rates_of_their_own():
    trainer = _tiny(rates=(4.0, 3.0, 2.0, 1.0))
    rate_of = {id(p): group["lr"] for group in trainer.optimiser.param_groups for p in group["params"]}
    model = trainer.model
    rates = {name: rate_of[id(p)] for name, p in model.named_parameters()}
    assert rates["geometry.encoding.table"] == 4.0
    assert {r for name, r in rates.items() if name.startswith("geometry.network")} == {3.0}
    assert rates["variance.variance"] == 1.0


def test_schedules_end_with_the_budget_only_where_the_preset_says_so():
    for within, age in ((True, 600.0), (False, 1.0)):
        trainer = _tiny(within_budget=within, steps=800, level_every=100, warm_up=0, start_level=1)
        trainer.step()
        trainer.step(0.75)
        assert trainer.age == age
        assert trainer.model.geometry.encoding.active == (3 if within else 1)
        rate = trainer.optimiser.param_groups[0]["lr"]
        assert rate == pytest.approx(trainer.preset.rates[0] * 0.1 ** (age / 800))


def test_occupied_is_a_shell_about_a_known_surface():
    grid, inv_s = Occupancy(0.5, 32, STARTED), torch.tensor(200.0)
    grid.update(0, lambda points: resting_opacity((points.norm(dim=1) - 0.3).abs(), inv_s, 0.01))
    places = torch.tensor([[0.0, 0.0, 0.0], [0.29, 0.0, 0.0], [0.31, 0.0, 0.0], [0.45, 0.0, 0.0]])
    assert grid.occupied(places).tolist() == [False, True, True, False]


@pytest.mark.slow
def test_training_lowers_the_loss_and_continues_from_its_state():
    trainer = _tiny(start="sphere", steps=60)
    losses = [trainer.step() for _ in range(30)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    again = Trainer(trainer.preset, trainer.bank, GridName.TORCH)
    again.load(trainer.state())
    assert again.step_number == 30
    points = torch.rand(10, 3) - 0.5
    assert torch.equal(again.model.geometry.sdf(points), trainer.model.geometry.sdf(points))


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
def test_a_state_goes_on_in_another_precision(before, after):
    """A training that began on a processor is continued on a graphics processor, and the other way."""
    first, second = _tiny(), _tiny()
    first.scaler, second.scaler = (torch.amp.GradScaler("cpu", enabled=on) for on in (before, after))
    first.step()
    second.load(first.state())
    assert second.step_number == 1
    second.step()


def test_checkpoints_of_grids_that_lie_otherwise_are_kept_apart():
    trainer = _tiny()
    ours = method.checkpoint_key("job", trainer)
    assert method.checkpoint_key("job", _tiny(start="sphere")) != ours
    assert method.checkpoint_key("job", _tiny()) == ours
    trainer.model.geometry.encoding.layout = TcnnGrid.layout
    assert method.checkpoint_key("job", trainer) != ours


def _on_a_card_for(rays, trainer, monkeypatch):
    """A trainer whose steps fail with more rays than these, as they do where memory is short."""
    step = trainer.step

    def limited(budget_share):
        if trainer.rays > rays:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(budget_share)

    monkeypatch.setattr(trainer, "step", limited)


class _Told(NoProgress):
    """Remembers warnings."""

    def __init__(self):
        self.warnings = []

    def warn(self, code, message):
        self.warnings.append((code, message))


FRAME = Frame(60.0, np.zeros(3), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))


def _session(progress, folder):
    return Session(progress, folder / "mesh.ply", None, FRAME)


def test_where_memory_is_short_a_step_has_fewer_rays_and_says_so(monkeypatch, tmp_path):
    trainer, told = _tiny(first_rays=512, most_rays=512), _Told()
    _on_a_card_for(200, trainer, monkeypatch)
    session = _session(told, tmp_path)
    for _ in range(3):
        assert method._step(trainer, session) > 0
    assert trainer.step_number == 3
    assert [code for code, _ in told.warnings[:2]] == ["memory_short"] * 2
    assert "128 rays" in told.warnings[1][1]
    assert trainer.sample_target < trainer.preset.sample_target


def test_samples_stay_where_memory_allows_them():
    trainer = _tiny(first_rays=512, most_rays=512)
    trainer.step()
    before = trainer._samples
    assert trainer.spare_memory()
    for _ in range(10):
        trainer.step()
    assert trainer._samples < 0.6 * before


def test_gradients_keep_their_scale_where_memory_ends_in_the_optimiser(monkeypatch, tmp_path):
    """Half precision needs a graphics processor, its scaler does not."""
    trainer = _tiny(first_rays=512, most_rays=512)
    monkeypatch.setattr(Trainer, "_half", True)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    trainer.scaler = trainer._fresh_scaler()
    assert trainer.scaler.get_scale() == 65536
    step, seen = trainer.optimiser.step, []

    def ends_once():
        gradients = [p.grad for group in trainer.optimiser.param_groups for p in group["params"]]
        seen.append(max(float(g.abs().max()) for g in gradients if g is not None))
        if len(seen) == 1:
            raise torch.OutOfMemoryError
        return step()

    monkeypatch.setattr(trainer.optimiser, "step", ends_once)
    method._step(trainer, _session(NoProgress(), tmp_path))
    assert len(seen) == 2
    assert seen[1] < 100 * seen[0]
    assert trainer.scaler.get_scale() == 65536


def test_a_card_that_holds_hardly_a_ray_is_too_small(monkeypatch, tmp_path):
    trainer = _tiny(first_rays=512, most_rays=512)
    _on_a_card_for(10, trainer, monkeypatch)
    with pytest.raises(ResourceError) as caught:
        method._step(trainer, _session(NoProgress(), tmp_path))
    assert caught.value.code == "card_memory"
    assert "--method grid" in caught.value.advice


@pytest.mark.parametrize(("with_normals", "radius"), [(True, 0.25), (False, 0.5)])
def test_the_published_start_is_a_sphere_of_the_published_radius(with_normals, radius):
    sizes = {"levels": 2, "base": 4, "finest": 8, "log2_table": 8, "occupancy": 8}
    preset = replace(load_preset("upstream", with_normals), **sizes)
    views = views_of(*arch_mesh(), size=32)
    torch.manual_seed(0)
    trainer = Trainer(preset, RayBank(views, (np.zeros(3), 1.0), torch.device("cpu")), GridName.TORCH)
    points = torch.nn.functional.normalize(torch.randn(500, 3), dim=1)
    sdf = trainer.model.geometry.sdf
    with torch.no_grad():
        assert float(sdf(0.8 * radius * points).mean()) < 0 < float(sdf(1.2 * radius * points).mean())
    assert trainer.occupancy.radius == 0.5  # the box stays


class _Stop(NoProgress):
    """Cancels before the step of that number."""

    def __init__(self, number):
        self.number, self.steps = number, []

    def stage(self, stage, fraction, message=""):
        if message.startswith("step "):
            self.steps.append(int(message.split()[1].strip(",")))

    def check_cancelled(self):
        if self.steps and self.steps[-1] >= self.number:
            raise CancelledError


def test_a_training_that_is_cancelled_early_is_continued_where_it_was(monkeypatch, tmp_path):
    few = {
        "steps": 6, "samples_per_ray": 32, "first_rays": 32, "most_rays": 32, "occupancy": 16,
        "smooth_points": 16, "levels": 3, "finest": 24, "log2_table": 12, "start": "sphere", "held_out": 0,
    }  # fmt: skip
    monkeypatch.setattr(method, "load_preset", lambda *_: replace(load_preset("small", True), **few))
    monkeypatch.setattr(session_module, "_PULSE_S", 0.0)
    monkeypatch.setattr(method, "extracted", lambda *_: None)

    def run(progress):
        request = SurfaceRequest(Path("v"), tmp_path / "mesh.ply", SurfaceMethod.NEUS, device=Device.CPU)
        session = _session(progress, tmp_path)
        method.neus(Job(request, views_of(*arch_mesh(), size=32), FRAME, lambda *_: None, session, "key"))

    first, second = _Stop(4), _Stop(99)
    with pytest.raises(CancelledError):
        run(first)
    run(second)
    assert first.steps == [1, 2, 3, 4]
    assert second.steps == [5, 6]
