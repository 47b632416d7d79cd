"""The grids on which a trained distance is sampled: ours keeps within memory, the published one is that."""

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


def _fresh(folder, **changes):
    """A sphere in the views' cube, its job and the cube."""
    views = views_of(*arch_mesh(), size=32)
    small = {"levels": 2, "finest": 24, "log2_table": 8, "occupancy": 8}
    preset = replace(load_preset("small", True), **small, **changes)
    torch.manual_seed(0)
    bank = RayBank(views, (np.zeros(3), 1.0), torch.device("cpu"))
    request = SurfaceRequest(Path("v"), folder / "mesh.ply", SurfaceMethod.NEUS)
    session = Session(NoProgress(), request.output, None, FRAME)
    job = Job(request, views, FRAME, lambda *_: None, session, "key")
    return Trainer(preset, bank, GridName.TORCH), job, method.cube_of(job)


def _sampled(folder, pitch):
    return method.extracted(*_fresh(folder), pitch)


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


def test_the_published_grid_has_its_nodes_along_the_longest_side_and_a_tenth_around_the_surface(tmp_path):
    trainer, job, cube = _fresh(tmp_path, nodes=48)
    found = method.published(trainer, job, cube)
    assert max(found.values.shape) == 48
    extent = found.surface()[0].max(axis=0) - found.surface()[0].min(axis=0)
    assert np.array(found.values.shape) == pytest.approx(1.2 * extent / found.pitch + 1, abs=2)
    assert found.low == pytest.approx(found.surface()[0].min(axis=0) - 0.1 * extent, abs=2 * found.pitch)


def test_the_published_grid_also_covers_what_no_view_shows(tmp_path):
    """The start of the variant without normals is a sphere as large as the cube of the views."""
    sphere = _fresh(tmp_path, nodes=48, radius=1.0)
    ours, theirs = method.extracted(*sphere, 1.0), method.published(*sphere)
    assert (ours.high - ours.pitch < 30.0).all()  # mm; so far the cube of the views reaches
    assert max(theirs.high) > 35.0


def test_upstream_is_sampled_as_published_and_ours_are_not(monkeypatch, tmp_path):
    for name, wanted in (("upstream", 512), ("teeth", 0), ("small", 0)):
        assert load_preset(name, True).nodes == load_preset(name, False).nodes == wanted
    called = []
    monkeypatch.setattr(method, "published", lambda *_: called.append(True))
    few = replace(load_preset("small", True), steps=1, first_rays=8, most_rays=8, samples_per_ray=16)
    _, job, _ = _fresh(tmp_path)
    for nodes in (0, 48):
        monkeypatch.setattr(method, "load_preset", lambda *_, n=nodes: replace(few, start="sphere", nodes=n))
        method.neus(job)
    assert called == [True]


def test_nothing_but_outside_is_sampled_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(method, "numpy_field", lambda _: lambda points: np.ones(len(points), np.float32))
    assert (method.published(*_fresh(tmp_path, nodes=16)).values > 0).all()
