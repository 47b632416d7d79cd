"""Without a graphics processor: settings that fit, a word about others, and a prompt end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.dental.request import Device  # noqa: E402
from teethscape.dental.units import ScaleRecord, ScaleSource  # noqa: E402
from teethscape.dental.wishes import Preset, SurfaceMethod  # noqa: E402
from teethscape.errors import CancelledError, MissingComponentError  # noqa: E402
from teethscape.mesh.solid import FileNote  # noqa: E402
from teethscape.progress import NoProgress  # noqa: E402
from teethscape.surface import session as session_module  # noqa: E402
from teethscape.surface.device import _card_fault, chosen_preset, require_preset  # noqa: E402
from teethscape.surface.frame import Frame  # noqa: E402
from teethscape.surface.grid import field as field_module  # noqa: E402
from teethscape.surface.job import Job, start_of  # noqa: E402
from teethscape.surface.make import _with_preset  # noqa: E402
from teethscape.surface.neus import method  # noqa: E402
from teethscape.surface.neus.presets import load_preset  # noqa: E402
from teethscape.surface.request import SurfaceRequest  # noqa: E402
from teethscape.surface.session import Session  # noqa: E402
from teethscape.surface.start import MOST_NODES  # noqa: E402

from .scene import SCALE, arch_mesh, views_of  # noqa: E402

FRAME = Frame(SCALE, np.zeros(3), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))


class Listener(NoProgress):
    """Remembers warnings and messages; cancels when asked for the given time."""

    def __init__(self, cancel_at=None):
        self.warnings, self.messages, self.asked, self.cancel_at = [], [], 0, cancel_at

    def stage(self, name, fraction, message=""):
        self.messages.append(message)

    def warn(self, code, message):
        self.warnings.append((code, message))

    def check_cancelled(self):
        self.asked += 1
        if self.cancel_at is not None and self.asked >= self.cancel_at:
            raise CancelledError


def _request(folder, preset, device=Device.AUTO):
    return SurfaceRequest(Path("v"), folder / "m.ply", SurfaceMethod.NEUS, preset, device=device)


@pytest.mark.parametrize(
    ("card", "device", "asked", "wanted"),
    [
        (True, Device.AUTO, None, Preset.TEETH),
        (True, Device.CPU, None, Preset.SMALL),
        (False, Device.AUTO, None, Preset.SMALL),
        (False, Device.AUTO, Preset.UPSTREAM, Preset.UPSTREAM),
    ],
)
def test_the_usual_preset_is_that_of_the_machine(monkeypatch, card, device, asked, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    monkeypatch.setattr("teethscape.surface.device._card_fault", lambda: None)
    for name in (SurfaceMethod.NEUS, SurfaceMethod.GSPULL):
        assert chosen_preset(asked, device, name) is wanted


def test_a_card_without_gsplat_has_few_gaussians_unless_more_are_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("teethscape.surface.device._card_fault", lambda: "ImportError: no nvcc")
    gspull, neus = SurfaceMethod.GSPULL, SurfaceMethod.NEUS
    assert chosen_preset(None, Device.AUTO, gspull) is Preset.SMALL
    assert chosen_preset(None, Device.AUTO, neus) is Preset.TEETH
    assert chosen_preset(Preset.TEETH, Device.AUTO, gspull) is Preset.TEETH
    request = replace(_request(tmp_path, None), method=gspull)
    assert _with_preset(request, NoProgress()).preset is Preset.SMALL
    with pytest.raises(MissingComponentError, match="no nvcc") as refusal:
        require_preset(Preset.TEETH, Device.AUTO, gspull)
    assert refusal.value.code == "gsplat_missing"
    require_preset(Preset.SMALL, Device.AUTO, gspull)
    require_preset(Preset.TEETH, Device.CPU, gspull)
    require_preset(Preset.TEETH, Device.AUTO, neus)


def test_gsplat_is_tried_once(monkeypatch):
    tried = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("teethscape.surface.gspull.splat.gsplat_fault", tried.append)
    _card_fault.cache_clear()
    found = [chosen_preset(None, Device.AUTO, SurfaceMethod.GSPULL) for _ in range(2)]
    _card_fault.cache_clear()
    assert found == [Preset.TEETH, Preset.TEETH]
    assert tried == [torch.device("cuda")]


@pytest.mark.parametrize("preset", [None, *Preset])
def test_presets_for_graphics_processors_are_said_to_be_slow_on_others(tmp_path, preset):
    told = Listener()
    request = _with_preset(_request(tmp_path, preset, Device.CPU), told)
    assert request.preset is (preset or Preset.SMALL)
    slow = preset in (Preset.TEETH, Preset.UPSTREAM)
    assert [code for code, _ in told.warnings] == ["cpu_slow"] * slow
    assert all(f"preset {preset} " in message for _, message in told.warnings)


def _job(folder, progress):
    views = views_of(*arch_mesh(), size=32)
    request = _request(folder, Preset.SMALL, Device.CPU)
    return Job(
        request, views, FRAME, start_of(views, FRAME), Session(progress, request.output, None, FRAME), "k"
    )


@pytest.fixture
def tiny(monkeypatch):
    """NeuS with hardly any samples."""
    sizes = {"steps": 8, "first_rays": 16, "most_rays": 16, "samples_per_ray": 16, "occupancy": 8}

    def load(name, with_normals):
        return replace(load_preset(name, with_normals), **sizes)

    monkeypatch.setattr(method, "load_preset", load)


@pytest.mark.usefixtures("tiny")
def test_neus_can_be_stopped_at_every_step_of_training_and_extraction(tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "_PULSE_S", 0.0)  # every step is told, on fast machines too
    whole = Listener()
    method.neus(_job(tmp_path, whole))
    assert whole.messages[-1].startswith("step 8,")
    at_steps = 8
    assert whole.asked > at_steps + 65  # a first look at the surface alone has 65 slices
    for number, words in ((2, "step"), (at_steps - 2, "step"), (at_steps + 30, "step 8,")):
        stopped = Listener(cancel_at=number)
        (tmp_path / "m.checkpoint").unlink(missing_ok=True)
        with pytest.raises(CancelledError):
            method.neus(_job(tmp_path, stopped))
        assert stopped.asked == number
        assert any(message.startswith(words) for message in stopped.messages)


def test_what_happens_often_is_reported_seldom(tmp_path):
    told = Listener()
    session = Session(told, tmp_path / "m.ply", None, FRAME)
    for step in range(1000):
        session.pulse(step / 999, f"step {step}")
    assert told.asked == 1000
    assert told.messages[0] == "step 0"
    assert told.messages[-1] == "step 999"
    assert len(told.messages) < 100


@pytest.mark.usefixtures("tiny")
def test_large_pictures_ask_for_no_grid_that_memory_cannot_hold(tmp_path, monkeypatch):
    """Cameras of very small pixels: a grid of them would have thousands of nodes along a side."""
    pitches, counts = [], []

    def start(views, pitch):
        pitches.append(pitch)
        return start_of(job.views, FRAME)(job.views, 3.0)

    def only_counted(field, low, high, some, each):
        counts.append(some)
        if len(counts) > 1:
            raise CancelledError
        return np.zeros(tuple(some), np.float32)

    for module in (method, field_module):  # the first look, and the grid in its box
        monkeypatch.setattr(module, "sampled", only_counted)
    job = _job(tmp_path, NoProgress())
    fine = job.views.intrinsics * np.array([1000.0, 1000.0, 1.0])[:, None]
    monkeypatch.setattr(method, "_train", lambda *_: None)
    with pytest.raises(CancelledError):
        method.neus(replace(job, start=start, views=replace(job.views, intrinsics=fine)))
    assert pitches == [pytest.approx(SCALE / 511)]
    assert max(counts[1]) <= 512
    assert 0.9 * MOST_NODES < np.prod(counts[1]) <= MOST_NODES
