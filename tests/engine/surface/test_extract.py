"""The grid on which a trained distance is sampled keeps within memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.dental.units import ScaleRecord, ScaleSource  # noqa: E402
from teethscape.dental.wishes import SurfaceMethod  # noqa: E402
from teethscape.mesh.solid import FileNote  # noqa: E402
from teethscape.progress import NoProgress  # noqa: E402
from teethscape.surface.frame import Frame  # noqa: E402
from teethscape.surface.job import Job  # noqa: E402
from teethscape.surface.neus import method  # noqa: E402
from teethscape.surface.neus.batches import RayBank  # noqa: E402
from teethscape.surface.neus.presets import load_preset  # noqa: E402
from teethscape.surface.neus.train import Trainer  # noqa: E402
from teethscape.surface.request import GridName, SurfaceRequest  # noqa: E402
from teethscape.surface.session import Session  # noqa: E402

from .scene import arch_mesh, views_of  # noqa: E402

FRAME = Frame(60.0, np.zeros(3), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))


def _sampled(folder, pitch):
    """A fresh sphere in the views' cube."""
    views = views_of(*arch_mesh(), size=32)
    preset = replace(load_preset("small", True), levels=2, finest=24, log2_table=8, occupancy=8)
    torch.manual_seed(0)
    bank = RayBank(views, (np.zeros(3), 1.0), torch.device("cpu"))
    request = SurfaceRequest(Path("v"), folder / "mesh.ply", SurfaceMethod.NEUS)
    session = Session(NoProgress(), request.output, None, FRAME)
    job = Job(request, views, FRAME, lambda *_: None, session, "key")
    return method.extracted(Trainer(preset, bank, GridName.TORCH), job, method.cube_of(job), pitch)


def test_nodes_are_bounded_in_total(monkeypatch, tmp_path):
    whole = _sampled(tmp_path, 1.0)
    monkeypatch.setattr(method, "MOST_NODES", whole.values.size // 4)
    bounded = _sampled(tmp_path, 1.0)
    assert whole.values.size // 6 < bounded.values.size <= whole.values.size // 4
    assert bounded.high == pytest.approx(whole.high, abs=2 * bounded.pitch)


def test_few_nodes_lie_as_asked(monkeypatch, tmp_path):
    whole = _sampled(tmp_path, 1.0)
    monkeypatch.setattr(method, "MOST_NODES", 2 * whole.values.size)
    assert _sampled(tmp_path, 1.0).pitch == whole.pitch
