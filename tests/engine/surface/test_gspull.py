"""Gaussians: what one looks like, how clouds grow."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.errors import MissingComponentError  # noqa: E402
from teethscape.surface.gspull import splat  # noqa: E402
from teethscape.surface.gspull.gaussians import NAMES, DensityRules, Gaussians, densify, prune  # noqa: E402
from teethscape.surface.gspull.losses import chamfer  # noqa: E402
from teethscape.surface.gspull.splat import Shot, draw, draw_fast, gsplat_fault, rasteriser  # noqa: E402
from teethscape.surface.gspull.train import (  # noqa: E402
    GaussianRules,
    GaussianTrainer,
    scene_extent,
    targets_of,
)

from .scene import arch_mesh, views_of  # noqa: E402


def _shot(size=21):
    pose = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4]])
    k = torch.tensor([[40.0, 0, size / 2], [0, 40.0, size / 2], [0, 0, 1]])
    return Shot(pose, k, size, size)


def _one(place=(0.0, 0, 0)):
    cloud = Gaussians(np.array([place, (0.0, 0, 90.0)]), np.full((2, 3), 0.5))
    cloud.log_scales.data[:] = float(np.log(0.2))
    return cloud


def test_one_gaussian_has_its_projected_size_and_opacity():
    cloud = _one()
    cloud.replace(torch.tensor([True, False]))
    picture = draw(cloud, cloud.colours, _shot(), torch.zeros(3))
    assert float(picture.opacity[10, 10]) == pytest.approx(0.5, abs=1e-3)
    sigma = np.sqrt((0.2 * 40 / 4) ** 2 + 0.3)
    wanted = 0.5 * np.exp(-0.5 * (3 / sigma) ** 2)
    assert float(picture.opacity[10, 13]) == pytest.approx(wanted, rel=1e-3)
    np.testing.assert_allclose(picture.values[10, 10].detach(), 0.25, atol=1e-3)


def test_the_nearer_one_hides_the_farther_and_the_background_shines_through():
    cloud = Gaussians(np.array([(0.0, 0, 0), (0.0, 0, 1.0)]), np.array([(1.0, 0, 0), (0, 1.0, 0)]))
    cloud.logits.data[:] = 0.0
    picture = draw(cloud, cloud.colours, _shot(), torch.tensor([0.0, 0, 1.0]))
    red, green, blue = picture.values[10, 10].tolist()
    assert (red, green, blue) == pytest.approx((0.5, 0.25, 0.25), abs=0.01)


def test_radii_are_those_of_what_is_in_the_picture():
    cloud = _one()
    cloud.centres.data[1] = torch.tensor([9.0, 0.0, 0.0])  # far beside the frame
    radii = draw(cloud, cloud.colours, _shot(), torch.zeros(3)).radii
    assert float(radii[0]) == pytest.approx(3 * np.sqrt((0.2 * 40 / 4) ** 2 + 0.3), rel=1e-3)
    assert float(radii[1]) == 0


def _many(count=300):
    """Gaussians of many sizes and opacities on a ball."""
    rng = np.random.default_rng(0)
    ways = rng.standard_normal((count, 3))
    cloud = Gaussians(ways / np.linalg.norm(ways, axis=1, keepdims=True), rng.uniform(0, 1, (count, 3)))
    torch.manual_seed(0)
    cloud.log_scales.data += 0.5 * torch.randn(count, 3)
    cloud.logits.data += 2 * torch.randn(count)
    return cloud


@pytest.mark.parametrize("pairs", [100, 1000, 30_000])
def test_pictures_and_slopes_by_pieces_are_those_of_the_whole(monkeypatch, pairs):
    found, sizes, blend = [], [], splat._blend

    def counted(pixels, splats, background):
        sizes.append(len(pixels) * len(splats[0]))
        return blend(pixels, splats, background)

    for most in (1 << 30, pairs):
        monkeypatch.setattr(splat, "_PAIRS", most)
        monkeypatch.setattr(splat, "_blend", counted)
        sizes.clear()
        cloud = _many()
        picture = draw(cloud, cloud.colours, _shot(40), torch.ones(3))
        weights = torch.linspace(0, 1, 40)[:, None]
        ((picture.values**2).sum(dim=2) * weights + picture.opacity).sum().backward()
        slopes = [p.grad for p in cloud.parameters() if p.grad is not None]
        found.append([picture.values.detach(), picture.opacity.detach(), picture.means.grad, *slopes])
    assert max(sizes) <= max(pairs, 300)
    assert sum(sizes) < 0.9 * 2 * 300 * 40**2  # most pieces see some of the Gaussians alone
    for whole, pieces in zip(*found, strict=True):
        assert float((whole - pieces).norm()) <= 1e-5 * float(whole.norm())


def test_nothing_of_pixels_times_gaussians_is_remembered_for_slopes():
    cloud, kept = _many(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        picture = draw(cloud, cloud.colours, _shot(64), torch.zeros(3))
    assert picture.values.requires_grad
    assert max(kept) <= 2 * 64**2  # the places of the pixels


def test_a_row_that_no_gaussian_reaches_shows_the_background():
    cloud = _one()
    cloud.centres.data[:, 2] = -9.0  # behind the camera
    picture = draw(cloud, cloud.colours, _shot(), torch.tensor([0.2, 0.3, 0.4]))
    picture.values.sum().backward()
    torch.testing.assert_close(picture.values.detach(), torch.tensor([0.2, 0.3, 0.4]).expand(21, 21, 3))
    assert cloud.logits.grad is not None
    assert not cloud.logits.grad.any()


@pytest.mark.parametrize("fault", [AttributeError("no CameraModelType"), ImportError("no nvcc"), OSError()])
def test_a_gsplat_that_imports_but_cannot_compile_is_no_crash(monkeypatch, fault):
    def rasterization(*arguments, **named):
        raise fault

    monkeypatch.setitem(sys.modules, "gsplat", SimpleNamespace(rasterization=rasterization))
    told = gsplat_fault(torch.device("cpu"))
    assert told is not None
    assert type(fault).__name__ in told
    monkeypatch.setattr(splat, "gsplat_fault", lambda device: told)
    notes = []
    assert rasteriser(torch.device("cuda"), 4000, lambda *note: notes.append(note)) is draw
    assert [code for code, _ in notes] == ["gsplat_unused"]
    with pytest.raises(MissingComponentError, match="nvcc"):
        rasteriser(torch.device("cuda"), 500_000, lambda *note: None)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics processor, gsplat and nvcc")
def test_parity_of_gsplat_with_ours():
    device = torch.device("cuda")
    fault = gsplat_fault(device)
    if fault is not None:
        pytest.skip(fault)
    rng, drawn, slopes = np.random.default_rng(0), [], []
    points, colours = rng.uniform(-0.8, 0.8, (300, 3)), rng.uniform(0, 1, (300, 3))
    for draws in (draw, draw_fast):
        cloud = Gaussians(points, colours).to(device)
        cloud.log_scales.data[:, 2] -= 1.0
        shot = Shot(_shot().pose.to(device), _shot().k.to(device), 21, 21)
        picture = draws(cloud, cloud.colours, shot, torch.tensor([0.2, 0.3, 0.4], device=device))
        (picture.values**2).mean().backward()
        drawn.append((picture.values, picture.opacity))
        slopes.append([p.grad for p in cloud.parameters()])
    torch.testing.assert_close(drawn[0], drawn[1], atol=5e-3, rtol=0)
    for ours, theirs in zip(*slopes, strict=True):
        assert float((ours - theirs).norm()) < 0.05 * float(ours.norm())


def test_densifying_clones_small_and_splits_large_ones():
    cloud = _one()
    cloud.log_scales.data[0] = float(np.log(0.001))
    densify(cloud, torch.tensor([1.0, 1.0]), extent=1.0, rules=DensityRules())
    assert len(cloud) == 4  # one clone more; the large one became two
    sizes = cloud.scales.amax(dim=1).sort()[0]
    assert float(sizes[-1]) == pytest.approx(0.2 / 1.6, rel=1e-4)
    cloud.logits.data[0] = -9.0
    prune(cloud, 1.0, DensityRules(), huge_too=False)
    assert len(cloud) == 3


@pytest.mark.parametrize(("most", "wanted"), [(None, 20), (12, 12), (10, 10), (5, 10)])
def test_the_steepest_come_first_where_there_is_room_for_few(most, wanted):
    rng = np.random.default_rng(0)
    cloud = Gaussians(rng.uniform(-1, 1, (10, 3)), np.full((10, 3), 0.5))
    cloud.log_scales.data[:] = -9.0  # small ones: cloned, and the old ones stay in front
    cloud.logits.data[:] = torch.arange(10.0)
    densify(cloud, torch.arange(1.0, 11.0), extent=1.0, rules=DensityRules(most=most))
    assert len(cloud) == wanted
    assert set(cloud.logits[10:].tolist()) == set(range(20 - wanted, 10))


def _trainer(**rules):
    mesh = arch_mesh()
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    points = mesh[0][rng.integers(0, len(mesh[0]), 60)]
    cloud = Gaussians(points, np.full((60, 3), 0.3))
    cloud.log_scales.data += 0.1 * torch.randn(60, 3)
    return GaussianTrainer(cloud, views_of(*mesh, size=24), GaussianRules(**rules))


def _changed(name, number, **rules):
    """By how much a property grows in one step of that number beside the same step without shape losses."""
    found = []
    for more in (rules, {"thin": 0.0, "opaque": 0.0, "entropy": 0.0}):
        times = {"steps": 30, "thin_from": 10, "opaque_from": 10, "settled": 20, "dense": (99, 0, 1)}
        trainer = _trainer(**times, **more)
        trainer.cloud.logits.data[:] = 0.5
        trainer.step_number = number
        trainer.step()
        found.append(getattr(trainer.cloud, name).detach())
    return found[0] - found[1]


@pytest.mark.parametrize(
    ("number", "thin", "opaque"), [(5, False, False), (15, True, True), (25, False, True), (35, False, False)]
)
def test_shapes_cost_in_their_stages_alone(number, thin, opaque):
    """Thin and opaque from 10 to 20, no half opaque ones from 20 to 30, pictures alone afterwards."""
    assert bool((_changed("scales", number, thin=1e4, entropy=0.0).amin(dim=1) < 0).any()) == thin
    grown = _changed("opacity", number, opaque=1e4, entropy=1e4)
    assert bool((grown > 0).any()) == opaque


@pytest.mark.parametrize(("number", "tints"), [(999, 0), (1000, 3), (2000, 8), (9000, 8)])
def test_colours_may_change_with_the_direction_by_a_degree_more_every_thousand_steps(number, tints):
    trainer = _trainer(harmonics=2, dense=(99999, 0, 1))
    trainer.cloud.tints = torch.nn.Parameter(torch.zeros(60, 8, 3))
    trainer.renew()
    trainer.step_number = number
    trainer.step()
    moved = trainer.cloud.tints.detach().abs().amax(dim=(0, 2)) > 0
    assert moved.tolist() == [True] * tints + [False] * (8 - tints)


def test_gaussians_may_be_drawn_elsewhere_than_they_are():
    cloud, shift = _one(), torch.tensor([0.2, 0.0, 0.0])
    drawn = draw(cloud, cloud.colours, _shot(), torch.zeros(3), cloud.centres + shift)
    cloud.centres.data += shift
    torch.testing.assert_close(drawn.values, draw(cloud, cloud.colours, _shot(), torch.zeros(3)).values)


def test_what_is_too_wide_in_a_picture_goes():
    trainer = _trainer(steps=30, dense=(1, 30, 1), density=DensityRules(slope=9.0, huge=99.0, wide=20.0))
    trainer.cloud.log_scales.data[:7] = 1.0
    for left in (60, 53):  # from the second round on
        trainer.step()
        assert len(trainer.cloud) == left


def test_normals_that_a_view_grazes_are_believed_less():
    target = _trainer().targets[0]
    weights = target.frontal[target.mask > 0.99]
    assert float(weights.max()) > 2
    assert float(weights.min()) < 0.6 * float(weights.max())
    assert float(target.frontal[target.mask < 0.01].abs().max()) == 0


@pytest.mark.slow
def test_training_looks_more_like_the_views():
    mesh = arch_mesh()
    views = views_of(*mesh, size=32)
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    points = mesh[0][rng.integers(0, len(mesh[0]), 200)] + rng.normal(0, 0.01, (200, 3))
    trainer = GaussianTrainer(Gaussians(points, np.full((200, 3), 0.3)), views, GaussianRules(steps=30))

    def error():
        with torch.no_grad():
            return np.mean([float(trainer.look(target)[1]) for target in trainer.targets])

    before = error()
    for _ in range(25):
        trainer.step()
    assert error() < 0.9 * before


def test_chamfer_of_a_set_with_itself_is_zero():
    points = torch.rand(30, 3)
    assert float(chamfer(points, points)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("among", "middle"), [(True, (0.0, 0.0, 1.0)), (False, (0.0, 2.0, 0.0))])
def test_the_extent_is_measured_from_the_cameras_mean_or_from_the_middle_of_the_box(among, middle):
    views = views_of(*arch_mesh(), size=8)
    places = np.array([(3.0, 0.0, 1.0), (-3.0, 0.0, 1.0), (0.0, 1.0, 1.0), (0.0, -1.0, 1.0)])
    poses = np.concatenate([np.repeat(np.eye(3)[None], 4, axis=0), places[..., None]], axis=2)
    views = replace(views, cam2world=poses, low=np.array((-1.0, 1.0, -1)), high=np.array((1.0, 3.0, 1)))
    wanted = 1.1 * np.linalg.norm(places - middle, axis=1).max()
    assert scene_extent(views, among) == pytest.approx(wanted)


def _moments(trainer, name="centres"):
    return trainer.optimiser.state[getattr(trainer.cloud, name)]


@pytest.mark.parametrize("name", NAMES[:5])
def test_those_that_stay_keep_their_moments_and_new_ones_have_none(name):
    trainer = _trainer(keeps_moments=True, dense=(99, 0, 1))
    trainer.step()
    before = {key: value.clone() for key, value in _moments(trainer, name).items()}
    trainer.cloud.replace(torch.tensor([7, 5, 3]), trainer.cloud.rows(torch.tensor([0, 1])))
    trainer.cloud.replace(torch.tensor([True, False, True, True, False]))
    trainer.renew()
    after = _moments(trainer, name)
    assert float(before["exp_avg"].abs().max()) > 0
    for key in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(after[key][:2], before[key][[7, 3]])
        assert len(after[key]) == 3
        assert not after[key][2:].any()
    assert float(after["step"]) == 1
    trainer.step()


def test_densification_keeps_moments_where_the_rules_say_so():
    for kept in (True, False):
        density = DensityRules(slope=0.0, dense=9.0)  # all are small, and one is added for each
        trainer = _trainer(keeps_moments=kept, steps=30, dense=(2, 30, 2), density=density)
        trainer.step()
        trainer.step()
        assert len(trainer.cloud) > 60
        assert bool(trainer.optimiser.state) == kept
        if kept:
            remembered = _moments(trainer)["exp_avg_sq"].abs().amax(dim=1) > 0
            assert not remembered[-1]
            assert bool(remembered[:5].any())


def test_a_checkpoint_brings_moments_back_unless_they_are_of_other_gaussians():
    first, second, third = (_trainer(keeps_moments=True, dense=(99, 0, 1)) for _ in range(3))
    first.step()
    memory = first.memory()
    second.recall(memory)
    assert torch.equal(_moments(second)["exp_avg"], _moments(first)["exp_avg"])
    third.cloud.replace(torch.arange(59))
    third.renew()
    third.recall(memory)
    assert not third.optimiser.state
    assert _trainer().memory() is None


@pytest.mark.parametrize(("widest", "size"), [(None, 24), (24, 24), (12, 12), (10, 10)])
def test_pictures_wider_than_that_are_shrunk_and_show_the_same(widest, size):
    views = views_of(*arch_mesh(), size=24)
    whole, found = (
        targets_of(views, GaussianRules(widest=w), torch.device("cpu"))[0] for w in (None, widest)
    )
    assert (found.shot.width, found.shot.height) == (size, size)
    assert found.colour.shape == (size, size, 3)
    torch.testing.assert_close(found.shot.k[:2], whole.shot.k[:2] * size / 24)
    assert float(found.mask.min()) >= 0
    assert float(found.mask.max()) <= 1
    assert float(found.mask.mean()) == pytest.approx(float(whole.mask.mean()), rel=0.15)


def test_shrunk_pictures_keep_the_colour_of_the_object_at_its_rim():
    """Where the object is cut out its colour is black beside it, which is no colour of its rim."""
    views = views_of(*arch_mesh(), size=24)
    cut = replace(views, colours=np.full_like(views.colours, 0.8) * views.foreground[..., None])
    found = targets_of(cut, GaussianRules(shrink=2), torch.device("cpu"))[0]
    rim = (found.mask > 0.1) & (found.mask < 0.9)
    assert rim.any()
    torch.testing.assert_close(found.colour[rim], torch.full_like(found.colour[rim], 0.8))
