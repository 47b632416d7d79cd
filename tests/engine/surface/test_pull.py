"""Pulling goes on where it was, with the optimiser's memory; what ties distance and Gaussians moves both."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.dental.request import Device  # noqa: E402
from teethscape.dental.units import ScaleRecord, ScaleSource  # noqa: E402
from teethscape.dental.wishes import Preset, SurfaceMethod  # noqa: E402
from teethscape.errors import CancelledError  # noqa: E402
from teethscape.mesh.solid import FileNote  # noqa: E402
from teethscape.progress import NoProgress  # noqa: E402
from teethscape.surface import session as session_module  # noqa: E402
from teethscape.surface.checkpoints import load_state  # noqa: E402
from teethscape.surface.frame import Frame  # noqa: E402
from teethscape.surface.gspull import extract, method  # noqa: E402
from teethscape.surface.gspull.gaussians import Gaussians  # noqa: E402
from teethscape.surface.gspull.joint import Link, Tie, TieRules, cloud_loss, field_loss, pulled_centres  # noqa: E402
from teethscape.surface.gspull.pull import PullRules, PullState, learn_by_pulling  # noqa: E402
from teethscape.surface.gspull.queries import drawn_queries, queries_each  # noqa: E402
from teethscape.surface.gspull.sdf import PullNetwork  # noqa: E402
from teethscape.surface.gspull.train import scene_extent  # noqa: E402
from teethscape.surface.job import Job, start_of  # noqa: E402
from teethscape.surface.mesh.finish import finished, is_two_manifold  # noqa: E402
from teethscape.surface.request import DiskKernel, SplatPlace, SurfaceRequest  # noqa: E402
from teethscape.surface.session import Session  # noqa: E402

from .scene import SCALE, arch_mesh, views_of  # noqa: E402

FRAME = Frame(SCALE, np.zeros(3), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))


def _learnt(stop_after, forget=False):
    """Parameters after 12 steps, interrupted once; ``forget``: with a fresh optimiser afterwards."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    ways = rng.standard_normal((600, 3))
    data = drawn_queries(0.3 * ways / np.linalg.norm(ways, axis=1, keepdims=True), rng, budget=6000)
    network, rules = PullNetwork(16), PullRules(steps=12, batch=128, warm_up=2)
    state = PullState.fresh(network, rng)
    learn_by_pulling(network, data, rules, lambda step: step + 1 < stop_after, state)
    again = PullState.fresh(network, rng)
    again.step = state.step
    if not forget:
        again.optimiser.load_state_dict(state.optimiser.state_dict())
    learn_by_pulling(network, data, rules, lambda _: True, again)
    assert again.step == 12
    return torch.cat([p.detach().ravel() for p in network.parameters()])


def test_an_interrupted_round_ends_as_one_that_was_not():
    whole = _learnt(stop_after=99)
    torch.testing.assert_close(_learnt(stop_after=5), whole)
    assert (_learnt(stop_after=5, forget=True) - whole).abs().max() > 1e-4


class _CancelAt(NoProgress):
    """Cancels at a message's given appearance."""

    def __init__(self, words, count):
        self.words, self.left = words, count

    def stage(self, stage, fraction, message=""):
        self.left -= self.words in message

    def check_cancelled(self):
        if self.left <= 0:
            raise CancelledError


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """GS-Pull with next to no steps, checkpoints at every one of them."""
    values = json.loads(method._FILE.read_text("utf-8"))
    values["small"] |= {
        "points": 200,
        "pull_steps": 60,
        "query_budget": 2000,
        "batch": 64,
        "rebuild": [0, 30],
    }
    values["small"] |= {
        "rebuild": [0, 30],
        "render_every": 10,
        "pictures": 30,
        "tied": 30,
        "turned": 30,
        "warm_up": 2,
    }
    values["small"]["gaussians"] |= {"steps": 2}
    values["upstream"] |= {
        "points": 150,
        "width": 16,
        "pull_steps": 40,
        "query_budget": 2000,
        "batch": 64,
        "nodes": 60,
    }
    values["upstream"] |= {"rebuild": [0, 10, 20, 30], "tied": 10, "turned": 20, "warm_up": 2}
    times = {"steps": 9, "thin_from": 4, "opaque_from": 1, "settled": 7, "dense": [3, 7, 2]}
    values["upstream"]["gaussians"] |= times
    path = tmp_path / "presets.json"
    path.write_text(json.dumps(values), "utf-8")
    monkeypatch.setattr(method, "_FILE", path)
    monkeypatch.setattr(session_module, "_CHECKPOINT_S", 0.0)


def _sphere(count=120):
    ways = np.random.default_rng(0).standard_normal((count, 3))
    return 0.3 * ways / np.linalg.norm(ways, axis=1, keepdims=True)


def _tied(kernel=DiskKernel.DISK, disk=0.1, first=4, turned=99):
    """Parameters after 8 steps; disks pull from step ``first``, axes turn slopes from step ``turned``."""
    torch.manual_seed(0)
    rng, network = np.random.default_rng(0), PullNetwork(16)
    data = drawn_queries(_sphere(), rng, budget=2000)
    cloud = Gaussians(_sphere(), np.full((120, 3), 0.5))
    cloud.log_scales.data[:, 2] -= 1.0
    tie = Tie(cloud, torch.arange(120), torch.from_numpy(data.points), Link(torch.zeros(3), 1.0))
    ties = TieRules(kernel, disk, first, turned)
    rules = PullRules(
        steps=8, batch=64, warm_up=1, tied=lambda batch, step: field_loss(batch, tie, ties, step)
    )
    learn_by_pulling(network, data, rules, lambda _: True, PullState.fresh(network, rng))
    assert all(p.grad is None for p in cloud.parameters())
    return torch.cat([p.detach().ravel() for p in network.parameters()])


def test_disks_and_axes_train_the_distance_from_their_step_on():
    free = _tied(disk=0.0)
    assert torch.equal(_tied(first=8), free)
    assert (_tied() - free).abs().max() > 1e-5
    assert (_tied(disk=0.0, turned=4) - free).abs().max() > 1e-5


def test_the_shipped_kernel_has_hardly_an_effect_and_that_of_the_paper_has_one():
    free = _tied(disk=0.0)
    intended, shipped = ((_tied(kernel) - free).norm() for kernel in (DiskKernel.DISK, DiskKernel.SHIPPED))
    assert intended > 3 * shipped


def test_the_distance_pulls_gaussians_and_turns_them_but_is_left_as_it_is():
    torch.manual_seed(0)
    network, cloud = PullNetwork(16), Gaussians(_sphere(), np.full((120, 3), 0.5))
    cloud.log_scales.data[:, 2] -= 1.0
    points = torch.tensor(_sphere(), dtype=torch.float32)
    tie = Tie(cloud, torch.arange(120), points, Link(torch.zeros(3), 1.0))
    cloud_loss(network, tie).backward()
    assert all(p.grad is None for p in network.parameters())
    assert cloud.quaternions.grad is not None
    assert float(cloud.quaternions.grad.norm()) > 0
    step = -torch.nn.functional.normalize(cloud.centres.grad, dim=1)
    with torch.no_grad():  # along the way there each comes nearer to the zero set
        assert float(network(points + 0.02 * step).abs().mean()) < float(network(points).abs().mean())


def test_pictures_of_pulled_gaussians_move_centres_and_distance():
    torch.manual_seed(0)
    network, link = PullNetwork(16), Link(torch.tensor([1.0, 0.0, 0.0]), 2.0)
    centres = torch.tensor(_sphere() * 1.2 + (1.0, 0, 0), dtype=torch.float32, requires_grad=True)
    moved = pulled_centres(network, link, centres)
    with torch.no_grad():
        assert float(network(link.cube(moved)).abs().mean()) < 0.6 * float(
            network(link.cube(centres)).abs().mean()
        )
    moved.square().sum().backward()
    assert float(centres.grad.norm()) > 0
    assert all(p.grad is not None for p in network.parameters())


def test_slopes_that_are_left_in_the_network_join_the_next_step():
    ends = []
    for push in (0.0, 1.0):
        torch.manual_seed(0)
        rng, network = np.random.default_rng(0), PullNetwork(16)
        data = drawn_queries(_sphere(), rng, budget=2000)

        def each(step, network=network, push=push):
            (push * network(torch.zeros(1, 3)).sum()).backward()
            return True

        rules = PullRules(steps=20, batch=64, warm_up=1)
        learn_by_pulling(network, data, rules, each, PullState.fresh(network, rng))
        ends.append(float(network(torch.zeros(1, 3)).detach()))
    assert ends[1] < ends[0]


def _job(folder, progress, preset=Preset.SMALL, splat=SplatPlace.PLACED):
    views = views_of(*arch_mesh(), size=32)
    request = SurfaceRequest(
        Path("v"), folder / "m.ply", SurfaceMethod.GSPULL, preset, device=Device.CPU, splat=splat
    )
    session = Session(progress, request.output, None, FRAME)
    return Job(request, views, FRAME, start_of(views, FRAME), session, "key")


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("pause", [0.0, 60.0])
@pytest.mark.parametrize(("words", "first"), [("round 1", (21, 22)), ("round 2", (51,))])
def test_a_cancelled_round_is_continued_where_it_was(tmp_path, monkeypatch, pause, words, first):
    """However many seconds lie between checkpoints: stopping saves."""
    monkeypatch.setattr(session_module, "_CHECKPOINT_S", pause)
    with pytest.raises(CancelledError):
        method.gspull(_job(tmp_path, _CancelAt(words, 3)))
    began = []

    def learn(network, data, rules, each, state):
        began.append(state.step)
        assert bool(state.optimiser.state_dict()["state"]) == bool(state.step)
        learn_by_pulling(network, data, replace(rules, last=state.step + 1), each, state)

    monkeypatch.setattr(method, "learn_by_pulling", learn)
    method.gspull(_job(tmp_path, NoProgress()))
    assert tuple(began) == first


@pytest.mark.usefixtures("tiny")
def test_gaussians_that_were_cancelled_are_continued_unless_they_just_came_or_went(tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "_CHECKPOINT_S", 60.0)
    step, begun = method.GaussianTrainer.step, []

    def stopped(trainer, *arguments):
        begun.append(trainer.step_number)
        if len(begun) == 6:
            trainer.cloud.logits = torch.nn.Parameter(trainer.cloud.logits[1:])
        if len(begun) in (3, 6):
            raise KeyboardInterrupt
        return step(trainer, *arguments)

    monkeypatch.setattr(method.GaussianTrainer, "step", stopped)
    for _ in range(3):
        with suppress(KeyboardInterrupt):
            method._stage_one(_continued(_job(tmp_path, NoProgress(), Preset.UPSTREAM)))
    assert begun[:9] == [0, 1, 2, 2, 3, 4, 2, 3, 4]


def _continued(job):
    """A run with what its checkpoint holds."""
    run = method._prepared(job, torch.device("cpu"))
    state = load_state(job.session, run.job.key, torch.device("cpu"))
    if state is not None:
        method._restore(run, state)
    return run


@pytest.mark.usefixtures("tiny")
def test_published_settings_draw_pull_and_redraw_queries(tmp_path, monkeypatch):
    parts = []

    def learn(network, data, rules, each, state):
        parts.append((state.step, rules.last, rules.by_pairs, float(np.ptp(data.points))))
        learn_by_pulling(network, data, rules, each, state)

    monkeypatch.setattr(method, "learn_by_pulling", learn)
    found = method.gspull(_job(tmp_path, NoProgress(), Preset.UPSTREAM))
    assert [part[:3] for part in parts] == [(0, 10, False), (10, 20, False), (20, 30, False), (30, 40, False)]
    assert len({part[3] for part in parts}) == 4  # pictures moved the Gaussians in between
    assert (found.field.values < 0).any()


@pytest.mark.usefixtures("tiny")
def test_pictures_move_the_distance_where_pulled_gaussians_are_drawn(tmp_path, monkeypatch):
    fields = {}
    for splat in SplatPlace:
        drawn = []
        draw = method.GaussianTrainer.look

        def look(trainer, target, place=None, draw=draw, drawn=drawn):
            drawn.append(place is not None)
            return draw(trainer, target, place)

        monkeypatch.setattr(method.GaussianTrainer, "look", look)
        folder = tmp_path / splat.value
        folder.mkdir()
        fields[splat] = method.gspull(_job(folder, NoProgress(), Preset.UPSTREAM, splat)).field.values
        monkeypatch.setattr(method.GaussianTrainer, "look", draw)
        # A picture every tenth of forty steps, pulled ones from the tenth on.
        assert drawn[-4:] == [False, *[splat is SplatPlace.PULLED] * 3]
    assert not np.array_equal(fields[SplatPlace.PLACED], fields[SplatPlace.PULLED])


@pytest.mark.usefixtures("tiny")
def test_pulled_gaussians_of_a_started_distance_stay_where_they_can_be_drawn(tmp_path):
    job = _job(tmp_path, NoProgress(), splat=SplatPlace.PULLED)
    assert np.isfinite(method.gspull(job).field.values).all()


@pytest.mark.usefixtures("tiny")
def test_published_settings_are_those_of_the_release_and_ours_stay_ours(tmp_path):
    published = method._prepared(_job(tmp_path, NoProgress(), Preset.UPSTREAM), torch.device("cpu"))
    ours = method._prepared(_job(tmp_path, NoProgress()), torch.device("cpu"))
    assert published.trainer.extent == scene_extent(published.job.views, among_cameras=True)
    assert ours.trainer.extent == scene_extent(ours.job.views, among_cameras=False)
    assert (published.trainer.rules.keeps_moments, ours.trainer.rules.keeps_moments) == (True, False)
    assert (published.trainer.rules.widest, ours.trainer.rules.widest) == (1600, 100)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("preset", "of_dtu", "far"),
    [(Preset.UPSTREAM, False, 0), (Preset.UPSTREAM, True, 1), (Preset.SMALL, False, 1)],
)
def test_far_queries_of_the_published_settings_are_for_dtu_alone(tmp_path, preset, of_dtu, far):
    if of_dtu:
        (tmp_path / "cameras.npz").touch()
    job = _job(tmp_path, NoProgress(), preset)
    run = method._prepared(replace(job, request=replace(job.request, views=tmp_path)), torch.device("cpu"))
    data, _ = method._round_data(run, run.trainer.cloud.centres.detach(), 1)
    count = len(data.points)
    assert len(data.queries) == count * (queries_each(count, 2000) + far)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("preset", "level"), [(Preset.UPSTREAM, 0.002), (Preset.SMALL, 0.0)])
def test_the_published_surface_is_taken_at_its_level(tmp_path, monkeypatch, preset, level):
    runs, prepared = [], method._prepared
    monkeypatch.setattr(method, "_prepared", lambda *given: runs.append(prepared(*given)) or runs[-1])
    found = method.gspull(_job(tmp_path, NoProgress(), preset))
    assert found.level == pytest.approx(level * runs[0].link.scale * SCALE)
    assert is_two_manifold(finished(found.field, level=found.level).faces)


@pytest.mark.usefixtures("tiny")
def test_nodes_of_the_surface_are_bounded_in_total(tmp_path, monkeypatch):
    run = method._prepared(_job(tmp_path, NoProgress()), torch.device("cpu"))
    whole = method._extracted(run, 1.0).values.size
    monkeypatch.setattr(extract, "MOST_NODES", whole // 4)
    assert whole // 6 < method._extracted(run, 1.0).values.size <= whole // 4


@pytest.mark.usefixtures("tiny")
def test_the_published_grid_has_its_pitch_in_the_box_of_the_cloud(tmp_path):
    run = method._prepared(_job(tmp_path, NoProgress(), Preset.UPSTREAM), torch.device("cpu"))
    found = method._extracted(run, 1.0, 60)
    side = run.link.scale * SCALE
    assert found.pitch == pytest.approx(1.2 * side / 59)
    cloud = run.trainer.cloud.centres.detach().numpy() * SCALE
    assert found.low == pytest.approx(cloud.min(axis=0) - 4 * found.pitch, abs=1e-3)
    assert (found.high >= cloud.max(axis=0) + 4 * found.pitch - 1e-3).all()


def test_upstream_is_sampled_as_published_and_ours_are_not():
    presets = json.loads(method._FILE.read_text("utf-8"))
    assert {name: values["nodes"] for name, values in presets.items()} == {
        "teeth": 0,
        "small": 0,
        "upstream": 600,
    }


@pytest.mark.usefixtures("tiny")
def test_moments_of_gaussians_are_continued(tmp_path):
    job = _job(tmp_path, NoProgress(), Preset.UPSTREAM)
    run = method._prepared(job, torch.device("cpu"))
    run.trainer.step()
    method._save(run, 0, at_once=True)
    again = _continued(job)
    before, after = (r.trainer.optimiser.state[r.trainer.cloud.centres] for r in (run, again))
    assert torch.equal(before["exp_avg"], after["exp_avg"])


def _crossings(points, mesh):
    """(n,) how often rays along +X from (n, 3) points meet a mesh."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    found = []
    for point in points:
        areas = [
            (q - p)[:, 0] * (point[2] - p[:, 1]) - (q - p)[:, 1] * (point[1] - p[:, 0])
            for p, q in ((v[:, 1:], w[:, 1:]) for v, w in ((b, c), (c, a), (a, b)))
        ]
        whole = areas[0] + areas[1] + areas[2]
        met = (np.sign(areas) == np.sign(whole)).all(axis=0) & (whole != 0)
        shares = np.stack(areas, axis=1)[met] / whole[met, None]
        place = shares[:, 0] * a[met, 0] + shares[:, 1] * b[met, 0] + shares[:, 2] * c[met, 0]
        found.append(int((place > point[0]).sum()))
    return np.array(found)


@pytest.mark.usefixtures("tiny")
def test_inside_is_where_rays_leave_the_surface_once_more_than_they_enter(tmp_path):
    run = method._prepared(_job(tmp_path, NoProgress()), torch.device("cpu"))
    method._stage_two(run, 1, None)
    field = method._extracted(run, 0.4)
    points = np.random.default_rng(0).uniform(field.low, field.high, (1000, 3))
    values = field.at(points)
    clear = np.abs(values) > 0.5 * field.pitch
    odd = _crossings(points, finished(field)) % 2 == 1
    assert (values[clear] < 0).sum() > 10
    assert np.array_equal(odd[clear], values[clear] < 0)
