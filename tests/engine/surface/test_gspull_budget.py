"""What a budget has cut of GS-Pull goes on with a larger one as if that had been given at once."""

from __future__ import annotations

import json
from functools import cache
from itertools import count
from pathlib import Path
from types import SimpleNamespace

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
from teethscape.surface.frame import Frame  # noqa: E402
from teethscape.surface.gspull import method, pull  # noqa: E402
from teethscape.surface.job import Job, start_of  # noqa: E402
from teethscape.surface.request import SurfaceRequest  # noqa: E402
from teethscape.surface.session import Session  # noqa: E402

from .scene import SCALE, arch_mesh, views_of  # noqa: E402

FRAME = Frame(SCALE, np.zeros(3), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))
#: Gaussian steps before pulling, pulls of each of two rounds.
GAUSSIANS, ROUND = 8, 30
PULLS = [*range(1, ROUND + 1)] * 2


@cache
def _scene():
    views = views_of(*arch_mesh(), size=24)
    field = start_of(views, FRAME)(views, 2.0)
    return views, lambda *_: field


class Machine:
    """Runs of which every Gaussian step and every pull takes a second; nothing else takes time.

    Attributes:
        steps: numbers of the Gaussian steps before pulling, over all runs.
        pulls: numbers of the pulls, from 1 in each round.
        rates: of the pulls.
        networks: what each run's first pull began with.
    """

    def __init__(self, monkeypatch, folder):
        self.folder, self.clock = folder, 0.0
        self.steps, self.pulls, self.rates, self.networks = [], [], [], []
        monkeypatch.setattr(session_module, "time", SimpleNamespace(monotonic=lambda: self.clock))
        step, rate, learn = method.GaussianTrainer.step, pull.sdf_rate, method.learn_by_pulling

        def stepped(trainer, *arguments):
            self.clock += 1
            if trainer.step_number < GAUSSIANS:
                self.steps.append(trainer.step_number)
            return step(trainer, *arguments)

        def rated(done, *arguments):
            self.clock += 1
            self.pulls.append(done)
            self.rates.append(rate(done, *arguments))
            return self.rates[-1]

        def learnt(network, *arguments):
            self.networks.append(torch.cat([p.detach().ravel().clone() for p in network.parameters()]))
            return learn(network, *arguments)

        monkeypatch.setattr(method.GaussianTrainer, "step", stepped)
        monkeypatch.setattr(pull, "sdf_rate", rated)
        monkeypatch.setattr(method, "learn_by_pulling", learnt)
        monkeypatch.setattr(method, "_extracted", lambda *_: None)

    def run(self, budget_s, progress=None):
        """A run whose mesh is never finished, so that its checkpoint stays; the seconds that it counts."""
        views, start = _scene()
        path = self.folder / "m.ply"
        request = SurfaceRequest(Path("v"), path, SurfaceMethod.GSPULL, Preset.SMALL, device=Device.CPU)
        session = Session(progress or NoProgress(), path, budget_s, FRAME)
        method.gspull(Job(request, views, FRAME, start, session, "key"))
        return session.spent_s


@pytest.fixture
def machine(monkeypatch, tmp_path):
    values = json.loads(method._FILE.read_text("utf-8"))
    small = values["small"]
    small |= {"points": 100, "width": 8, "query_budget": 1000, "batch": 32, "warm_up": 2}
    small |= {"pull_steps": 2 * ROUND, "rebuild": [0, ROUND], "pictures": 99, "tied": 99}
    small["gaussians"] |= {"steps": GAUSSIANS, "shrink": 2}
    path = tmp_path / "presets.json"
    path.write_text(json.dumps(values), "utf-8")
    monkeypatch.setattr(method, "_FILE", path)
    return Machine(monkeypatch, tmp_path)


@pytest.mark.parametrize("budgets", [(28, 50, None), (28, 38, 45, None), (50, 50, 60, 99)])
def test_a_round_that_a_budget_has_cut_goes_on_where_it_was(machine, budgets):
    for budget in budgets:
        spent = machine.run(budget)
        assert budget is None or spent == min(budget, GAUSSIANS + 2 * ROUND)
    assert machine.steps == [*range(GAUSSIANS)]
    assert machine.pulls == PULLS
    assert min(machine.rates) > 0


@pytest.mark.parametrize("larger", [30, 50, None])
def test_gaussians_that_a_budget_has_cut_go_on_first_and_pulling_begins_anew(machine, larger):
    machine.run(8)
    assert (machine.steps, machine.pulls) == ([*range(4)], PULLS[:4])
    spent = machine.run(larger)
    assert machine.steps == [*range(GAUSSIANS)]
    assert torch.equal(machine.networks[0], machine.networks[1])
    at_once = GAUSSIANS + 2 * ROUND if larger is None else larger
    assert spent == at_once
    assert machine.pulls[4:] == PULLS[: at_once - GAUSSIANS]


@pytest.mark.parametrize("budgets", [(4, 8, 12, 50), (8, 12, 14, 50)])
def test_gaussians_may_be_cut_more_than_once(machine, budgets):
    for budget in budgets:
        machine.pulls.clear()
        assert machine.run(budget) == budget
    assert machine.steps == [*range(GAUSSIANS)]
    assert machine.pulls == PULLS[: budgets[-1] - GAUSSIANS]


def test_the_same_budget_again_leaves_cut_gaussians_as_they_are(machine):
    machine.run(8)
    machine.run(8)
    assert (machine.steps, machine.pulls) == ([*range(4)], PULLS[:4])


def test_who_stops_pulling_goes_on_pulling_with_the_same_budget(machine):
    asked = count()

    class Stopping(NoProgress):
        def check_cancelled(self):
            if next(asked) == 9:
                raise CancelledError

    with pytest.raises(CancelledError):
        machine.run(12, Stopping())
    assert 0 < len(machine.pulls) < 6
    assert machine.run(12) == 12
    assert machine.steps == [*range(6)]
    assert machine.pulls == PULLS[:6]
