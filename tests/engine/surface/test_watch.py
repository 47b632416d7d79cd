"""Views that training does not see: it stops when they no longer improve, and the best model is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.dental.request import Device  # noqa: E402
from teethscape.dental.units import ScaleRecord, ScaleSource  # noqa: E402
from teethscape.dental.wishes import SurfaceMethod  # noqa: E402
from teethscape.errors import CancelledError  # noqa: E402
from teethscape.mesh.solid import FileNote  # noqa: E402
from teethscape.progress import NoProgress  # noqa: E402
from teethscape.surface.frame import Frame  # noqa: E402
from teethscape.surface.job import Job  # noqa: E402
from teethscape.surface.neus import method, watch  # noqa: E402
from teethscape.surface.neus.presets import load_preset  # noqa: E402
from teethscape.surface.neus.train import Trainer  # noqa: E402
from teethscape.surface.request import SurfaceRequest  # noqa: E402
from teethscape.surface.session import Session  # noqa: E402

from .scene import arch_mesh, views_of  # noqa: E402

FRAME = Frame(60.0, np.zeros(3), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))
#: What the held-out views say at each step: the third is best.
ERRORS = (3.0, 2.0, 1.0, 1.5, 1.2, 1.1, 1.3, 1.4, 1.5, 1.6)
SIZES = {
    "steps": 10, "samples_per_ray": 32, "first_rays": 32, "most_rays": 32, "occupancy": 16,
    "smooth_points": 16, "levels": 3, "finest": 24, "log2_table": 12, "start_level": 1, "level_every": 2,
    "start": "sphere", "held_out": 1, "patience": 4,
}  # fmt: skip


class _Run:
    """Runs NeuS with a look at every step; remembers the models that were looked at and those extracted."""

    def __init__(self, monkeypatch, folder, **changes):
        self.folder, self.steps, self.seen, self.extracted = folder, [], {}, []
        preset = replace(load_preset("small", True), **{**SIZES, **changes})
        monkeypatch.setattr(method, "load_preset", lambda *_: preset)
        monkeypatch.setattr(watch, "_EVERY", 1)
        monkeypatch.setattr(Trainer, "held_out_error", lambda trainer, _: self._error(trainer))
        monkeypatch.setattr(method, "extracted", self._extracted)
        self.cancel_at, self.cancel_extraction = None, False

    def _error(self, trainer):
        self.steps.append(trainer.step_number)
        self.seen[trainer.step_number] = self._model(trainer)
        return ERRORS[trainer.step_number - 1]

    def _extracted(self, trainer, *_):
        if self.cancel_extraction:
            raise CancelledError
        self.extracted.append(self._model(trainer))

    @staticmethod
    def _model(trainer):
        weights = torch.cat([p.detach().ravel().clone() for p in trainer.model.parameters()])
        return weights, trainer.model.geometry.encoding.active

    def __call__(self):
        run = self

        class Told(NoProgress):
            def check_cancelled(self):
                if run.steps and run.steps[-1] == run.cancel_at:
                    raise CancelledError

        request = SurfaceRequest(Path("v"), self.folder / "mesh.ply", SurfaceMethod.NEUS, device=Device.CPU)
        session = Session(Told(), request.output, None, FRAME)
        method.neus(Job(request, views_of(*arch_mesh(), size=32), FRAME, lambda *_: None, session, "key"))


def _same(one, two):
    return torch.equal(one[0], two[0]) and one[1] == two[1]


def test_after_an_early_stop_the_best_model_is_extracted(monkeypatch, tmp_path):
    run = _Run(monkeypatch, tmp_path)
    run()
    assert run.steps == [1, 2, 3, 4, 5, 6, 7]
    assert _same(run.extracted[0], run.seen[3])
    assert run.seen[3][1] != run.seen[7][1]  # fewer levels counted then


@pytest.mark.parametrize("changes", [{"patience": 9}, {"patience": 0}, {"held_out": 0}])
def test_without_an_early_stop_the_last_model_is_extracted(monkeypatch, tmp_path, changes):
    run = _Run(monkeypatch, tmp_path, **changes)
    run()
    assert run.steps == (list(range(1, 11)) if changes == {"patience": 9} else [])
    if run.steps:
        assert _same(run.extracted[0], run.seen[10])


def test_a_continued_training_waits_no_longer_than_one_that_was_not_stopped(monkeypatch, tmp_path):
    run = _Run(monkeypatch, tmp_path)
    run.cancel_at = 5
    with pytest.raises(CancelledError):
        run()
    assert run.steps == [1, 2, 3, 4, 5]
    run.cancel_at = None
    run()
    assert run.steps == [1, 2, 3, 4, 5, 6, 7]
    assert _same(run.extracted[0], run.seen[3])


def test_a_training_that_stopped_early_is_only_extracted_when_it_is_continued(monkeypatch, tmp_path):
    run = _Run(monkeypatch, tmp_path)
    run.cancel_extraction = True
    with pytest.raises(CancelledError):
        run()
    run.cancel_extraction = False
    run()
    assert run.steps == [1, 2, 3, 4, 5, 6, 7]
    assert _same(run.extracted[0], run.seen[3])
