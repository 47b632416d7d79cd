"""NeuS' schedules where a training is continued, most of all with another budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.surface.neus.batches import RayBank  # noqa: E402
from teethscape.surface.neus.presets import load_preset  # noqa: E402
from teethscape.surface.neus.schedule import Begin  # noqa: E402
from teethscape.surface.neus.train import Trainer  # noqa: E402
from teethscape.surface.request import GridName  # noqa: E402

from .scene import arch_mesh, views_of  # noqa: E402

STEPS = 200


@pytest.fixture(scope="module")
def bank():
    return RayBank(views_of(*arch_mesh(), size=32), (np.zeros(3), 1.0), torch.device("cpu"))


def _fresh(bank, **changes):
    """A trainer of the small preset at a size that takes milliseconds a step."""
    sizes = {
        "steps": STEPS, "samples_per_ray": 32, "first_rays": 16, "most_rays": 16, "occupancy": 8, "levels": 4,
        "smooth_points": 16, "finest": 24, "log2_table": 10, "start_level": 1, "level_every": 50,
        "anneal": 100, "warm_up": 2,
    }  # fmt: skip
    torch.manual_seed(0)
    return Trainer(replace(load_preset("small", True), **{**sizes, **changes}), bank, GridName.TORCH)


def _stopped(bank, share=0.9, **changes):
    """One that took few steps for so much of its budget."""
    trainer = _fresh(bank, **changes)
    for number in range(1, 5):
        trainer.step(share * number / 4)
    return trainer


def _continued(trainer, without=()):
    again = Trainer(trainer.preset, trainer.bank, GridName.TORCH)
    again.load({key: value for key, value in trainer.state().items() if key not in without})
    return again


def _where(trainer):
    """Schedules, each as a number that grows."""
    encoding, rate = trainer.model.geometry.encoding, trainer.optimiser.param_groups[0]["lr"]
    return trainer.age, encoding.active, trainer.anneal, -rate


def test_a_larger_budget_sets_no_schedule_back(bank):
    first = _stopped(bank)
    assert first.age == pytest.approx(0.9 * STEPS)
    again = _continued(first)
    again.step(0.1)
    assert _where(again) == pytest.approx(_where(first))
    before = _where(again)
    for share in (0.3, 0.55, 0.8):
        again.step(share)
        assert all(new >= old for new, old in zip(_where(again), before, strict=True))
        before = _where(again)
    again.step(0.55)  # half of what was left at 0.1, but schedules never fall
    assert again.age == before[0]


def test_what_is_left_of_schedules_is_spread_over_what_is_left_of_the_budget(bank):
    again = _continued(_stopped(bank, 0.5))
    ages = []
    for share in (0.2, 0.6, 1.0):
        again.step(share)
        ages.append(again.age)
    assert ages == pytest.approx([0.5 * STEPS, 0.75 * STEPS, STEPS])


def test_with_the_same_budget_schedules_go_on_as_if_never_stopped(bank):
    again = _continued(_stopped(bank, 0.4))
    for share in (0.4, 0.7, 1.0):
        again.step(share)
        assert again.age == pytest.approx(share * STEPS)


def test_finished_schedules_stay_at_their_end(bank):
    first = _stopped(bank, 1.0)
    again = _continued(first)
    for share in (0.5, 0.75):
        again.step(share)
        assert _where(again) == pytest.approx(_where(first))


def test_without_a_budget_schedules_go_on_by_one_a_step(bank):
    again = _continued(_stopped(bank))
    ages = []
    for _ in range(3):
        again.step()
        ages.append(again.age)
    assert ages == pytest.approx([0.9 * STEPS + k for k in (1, 2, 3)])


@pytest.mark.parametrize("changes", [{}, {"within_budget": False}])
def test_schedules_that_no_budget_has_shortened_go_on_with_the_steps(bank, changes):
    first = _fresh(bank, **changes)
    for _ in range(3):
        first.step()
    again = _continued(first)
    ages = []
    for _ in range(2):
        again.step()
        ages.append(again.age)
    assert ages == [3, 4]


def test_a_model_that_is_only_extracted_has_the_levels_that_it_was_trained_with(bank):
    first = _stopped(bank, 0.3)
    assert first.model.geometry.encoding.active == 2
    assert _continued(first).model.geometry.encoding.active == 2


def test_of_older_checkpoints_the_budget_tells_where_schedules_are(bank):
    again = _continued(_stopped(bank), without=("age",))
    again.step(0.25)
    assert again.age == pytest.approx(0.25 * STEPS)


def test_schedules_are_never_behind_the_steps_nor_beyond_their_end():
    begin = Begin(age=50.0, lead=10.0, share=0.5)
    assert begin.age_at(90, 0.6, 100) == 90
    assert begin.age_at(95, 0.0, 100) == 100
    assert begin.age_at(41, 1.0, 100) == 100
