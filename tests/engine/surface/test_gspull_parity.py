"""GS-Pull against the release: its fixtures, and the acceptance checks of the specification (section 11)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.surface.gspull import losses  # noqa: E402
from teethscape.surface.gspull.losses import DiskKernel  # noqa: E402
from teethscape.surface.gspull.pull import PullRules, PullState, learn_by_pulling  # noqa: E402
from teethscape.surface.gspull.queries import (  # noqa: E402
    FAR,
    NEAR,
    drawn_queries,
    normalised,
    queries_each,
    spreads,
    usable,
)
from teethscape.surface.gspull.schedule import position_rate, sdf_rate  # noqa: E402
from teethscape.surface.gspull.sdf import PullNetwork, pulled  # noqa: E402
from teethscape.surface.neus.fields import NormedLinear  # noqa: E402

CLOSE: dict[str, Any] = {"atol": 1e-5, "rtol": 1e-4}


@pytest.fixture(scope="module")
def core(shared):
    with np.load(shared / "fixtures" / "seeds" / "gspull_core.npz") as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


@pytest.fixture(scope="module")
def sampling(shared):
    with np.load(shared / "fixtures" / "seeds" / "gspull_schedules_sampling.npz") as file:
        return {key: np.asarray(file[key]) for key in file.files}


@pytest.fixture(scope="module")
def network(core):
    found = PullNetwork(32)
    for k, layer in enumerate(found.layers):
        assert isinstance(layer, NormedLinear)
        layer.weight_g.data, layer.weight_v.data, layer.bias.data = (
            core[f"g{k}"],
            core[f"v{k}"],
            core[f"b{k}"],
        )
        np.testing.assert_allclose(layer.weight.detach(), core[f"W{k}"], **CLOSE)
    return found


def _same(found, wanted):
    np.testing.assert_allclose(found.detach().numpy(), wanted.numpy(), **CLOSE)


def test_parity_distance_slope_and_pull(core, network):
    moved, distance, normal = pulled(network, core["query"])
    _same(distance, core["sdf"][:, 0])
    _same(normal, core["grad_unit"])
    _same(moved, core["pulled"])


def test_parity_chamfer_and_nearest(core):
    found = losses.chamfer(core["target_points"], core["pulled"])
    assert float(found) == pytest.approx(float(core["chamfer_l1"]), rel=1e-4)
    assert torch.equal(losses.nearest(core["pulled"], core["target_points"]), core["nn_idx_pulled_to_target"])


def test_parity_disk_kernels(core):
    nearest = core["nn_idx_pulled_to_target"]
    rotation = losses.rotation_of(core["quaternion_wxyz"])[nearest]
    offset = (core["pulled"] - core["target_points"][nearest]) * core["shape_scale"]
    for kernel, name in ((DiskKernel.SHIPPED, "release"), (DiskKernel.WIDENED, "intended")):
        found = losses.disk_kernel(offset, rotation, losses.reach(core["scales"][nearest], kernel))
        _same(found, core[f"kernel_{name}"])
        _same(losses.disk_pull_loss(found), core[f"loss2_{name}"])


def test_parity_losses_of_gaussians(core, network):
    nearest, scale = core["nn_idx_pulled_to_target"], core["shape_scale"]
    axes = losses.thin_axis(losses.rotation_of(core["quaternion_wxyz"]), core["scales"])
    _same(axes, core["gauss_normal"])
    targets = core["target_points"][nearest]
    moved, _, normal = pulled(network, targets)
    _same(moved, core["target_pulled"])
    centres = targets * scale + core["shape_center"]
    world = moved * scale + core["shape_center"]
    _same(losses.gaussian_pull_loss(centres, world), core["gaussian_pull_loss"])
    _same(losses.alignment_loss(normal, axes[nearest]), core["normal_loss_gaussian"])
    _same(losses.alignment_loss(core["grad_unit"], axes[nearest]), core["normal_loss_query"])
    _same(losses.thin_loss(core["scales"], clamped=True), core["stage2_thin_loss"])
    _same(losses.thin_loss(core["scales"], clamped=False), core["stage1_thin_loss"])
    _same(losses.entropy_loss(core["opacity"]), core["entropy_loss"])
    _same((1 - core["opacity"]).mean(), core["stage1_opacity_loss"])


def test_parity_losses_of_pictures(core):
    one, two = core["img1"], core["img2"]
    _same(losses.ssim(one, two), core["ssim"])
    _same((one - two).abs().mean(), core["l1"])
    _same(losses.photo_loss(one, two), core["photo_loss"])


def test_parity_learning_rates(sampling):
    found = [sdf_rate(int(step)) for step in sampling["sdf_lr_iter"]]
    np.testing.assert_allclose(found, sampling["sdf_lr"], rtol=1e-6, atol=1e-12)
    found = [position_rate(int(step)) for step in sampling["pos_lr_iter"]]
    np.testing.assert_allclose(found, sampling["pos_lr"], rtol=1e-6)


def test_parity_normalising_and_sampling(sampling):
    found = normalised(sampling["cloud"])
    assert found.scale == pytest.approx(float(sampling["shape_scale"]), rel=1e-6)
    np.testing.assert_allclose(found.centre, sampling["shape_center"], atol=1e-6)
    count = usable(len(found.points))
    assert count == int(sampling["n_used"])
    assert queries_each(count) == int(sampling["query_each"])
    np.testing.assert_allclose(spreads(found.points[:count]), sampling["sigma51_first_n_used"], **CLOSE)
    assert float(sampling["near_factor"]) == NEAR
    assert float(sampling["far_factor"]) == FAR


def test_parity_fresh_network_is_a_sphere(sampling):
    torch.manual_seed(0)
    networks = [PullNetwork() for _ in range(6)]
    # The release keeps the effective weight besides its two factors out of the count.
    counted = sum(p.numel() for p in networks[0].parameters())
    assert counted == int(sampling["param_count"])
    rng = np.random.default_rng(0)
    ways = rng.standard_normal((400, 3))
    ways = torch.tensor(ways / np.linalg.norm(ways, axis=1, keepdims=True), dtype=torch.float32)
    with torch.no_grad():
        at_quarter = np.mean([float(n(0.25 * ways).mean()) for n in networks])
        middle = [float(n(torch.zeros(1, 3))) for n in networks]
    assert at_quarter == pytest.approx(0.0, abs=0.05)
    np.testing.assert_allclose(middle, -0.25, atol=1e-6)


def test_an_offset_across_a_disk_costs_more_than_one_along_it():
    scales = torch.tensor([[0.1, 0.1, 0.004]])
    turn = torch.eye(3)[None]
    along, across = torch.tensor([[0.004, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.004]])
    kernel = {
        kind: [float(1 - losses.disk_kernel(o, turn, losses.reach(scales, kind))) for o in (along, across)]
        for kind in DiskKernel
    }
    assert kernel[DiskKernel.DISK][1] >= 10 * kernel[DiskKernel.DISK][0]
    assert kernel[DiskKernel.SHIPPED][0] == pytest.approx(kernel[DiskKernel.SHIPPED][1])


@pytest.mark.slow
def test_pulling_alone_finds_the_inside_of_an_ellipsoid():
    """Acceptance A3: sign agreement at least 0.99, mean distance on the surface at most 0.005."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    axes = np.array([0.5, 0.3, 0.2])
    ways = rng.standard_normal((6000, 3))
    points = axes * ways / np.linalg.norm(ways, axis=1, keepdims=True)
    data = drawn_queries(points, rng, budget=60_000)
    network = PullNetwork(64)
    rules = PullRules(steps=150, batch=512, warm_up=1, rate=2.0)
    learn_by_pulling(network, data, rules, lambda _: True, PullState.fresh(network, rng))
    places = rng.uniform(-0.6, 0.6, (20_000, 3))
    inside = ((places / axes) ** 2).sum(axis=1) < 1
    with torch.no_grad():
        found = network(torch.tensor(places, dtype=torch.float32)).numpy() < 0
        on_surface = network(torch.tensor(points, dtype=torch.float32)).abs().mean()
    assert (found == inside).mean() >= 0.99
    assert float(on_surface) <= 0.005
