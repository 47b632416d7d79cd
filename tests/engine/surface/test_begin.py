"""What GS-Pull begins with: a data set's points, also where its photos are opaque."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.dental.request import Device  # noqa: E402
from teethscape.dental.units import ScaleRecord, ScaleSource  # noqa: E402
from teethscape.dental.wishes import Preset, SurfaceMethod  # noqa: E402
from teethscape.errors import BadInputError, RefusedError  # noqa: E402
from teethscape.mesh.solid import FileNote  # noqa: E402
from teethscape.progress import NoProgress  # noqa: E402
from teethscape.surface import make  # noqa: E402
from teethscape.surface.frame import Frame  # noqa: E402
from teethscape.surface.gspull import method  # noqa: E402
from teethscape.surface.gspull.begin import beginning  # noqa: E402
from teethscape.surface.gspull.sdf import PullNetwork  # noqa: E402
from teethscape.surface.gspull.started import StartedNetwork  # noqa: E402
from teethscape.surface.job import Job, start_of  # noqa: E402
from teethscape.surface.make import make_surface  # noqa: E402
from teethscape.surface.request import SurfaceRequest  # noqa: E402
from teethscape.surface.session import Session  # noqa: E402

from .scene import SCALE, arch_mesh, views_of  # noqa: E402

FRAME = Frame(SCALE, np.zeros(3), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))
SETTINGS = {"points": 300, "started": True, "width": 16}


@pytest.fixture(scope="module")
def views():
    """Views whose data set brings points on the object, and some far from it."""
    vertices, faces = arch_mesh()
    rng = np.random.default_rng(0)
    points = np.concatenate([vertices[rng.integers(0, len(vertices), 500)], rng.uniform(2, 3, (20, 3))])
    found = views_of(vertices, faces, size=48)
    return replace(found, points=points, point_colours=np.tile((0.9, 0.1, 0.2), (520, 1)))


def opaque(views):
    return replace(views, foreground=np.ones_like(views.foreground), normals=None, jaw=None)


def _request(folder, chosen=SurfaceMethod.GSPULL):
    return SurfaceRequest(Path("v"), folder / "m.ply", chosen, Preset.SMALL, device=Device.CPU)


def _begun(views, folder):
    session = Session(NoProgress(), folder / "m.ply", None, FRAME)
    return beginning(Job(_request(folder), views, FRAME, start_of(views, FRAME), session, "key"), SETTINGS)


@pytest.mark.parametrize("masks", [True, False])
def test_points_of_the_data_set_come_first(views, tmp_path, masks):
    begun = _begun(views if masks else opaque(views), tmp_path)
    assert begun.points.shape == (300, 3)
    assert np.abs(begun.points).max() < 0.5
    assert {tuple(p) for p in begun.points} <= {tuple(p) for p in views.points}
    np.testing.assert_allclose(begun.colours, np.tile((0.9, 0.1, 0.2), (300, 1)))
    assert begun.is_started == masks
    assert isinstance(begun.network, StartedNetwork if masks else PullNetwork)


def test_without_points_or_masks_the_box_is_filled(views, tmp_path):
    begun = _begun(replace(opaque(views), points=None), tmp_path)
    assert (begun.points >= views.low).all()
    assert (begun.points <= views.high).all()
    assert np.ptp(begun.points, axis=0) == pytest.approx(views.high - views.low, rel=0.05)


def test_with_masks_and_few_points_the_hull_is_begun_at(views, tmp_path):
    begun = _begun(replace(views, points=views.points[:20]), tmp_path)
    assert np.abs(begun.points).max() < 0.5
    assert {tuple(p) for p in begun.points}.isdisjoint({tuple(p) for p in views.points})


@pytest.fixture
def tiny(monkeypatch, tmp_path, views):
    """Opaque photos, and GS-Pull with next to no steps."""
    values = json.loads(method._FILE.read_text("utf-8"))
    values["small"] |= {"points": 300, "pull_steps": 20, "query_budget": 3000, "batch": 64}
    values["small"] |= {"rebuild": [0, 10], "pictures": 10, "tied": 10, "turned": 10, "warm_up": 2}
    values["small"]["gaussians"] |= {"steps": 2}
    path = tmp_path / "presets.json"
    path.write_text(json.dumps(values), "utf-8")
    monkeypatch.setattr(method, "_FILE", path)
    monkeypatch.setattr(make, "read_views", lambda request: opaque(views))


@pytest.mark.usefixtures("tiny")
def test_opaque_photos_become_a_mesh(tmp_path):
    report = make_surface(_request(tmp_path), NoProgress(), FRAME)
    assert report["views_left_out"] == []
    assert report["triangles"] > 100


@pytest.mark.usefixtures("tiny")
def test_opaque_photos_without_time_are_refused_and_can_be_continued(tmp_path):
    with pytest.raises(RefusedError) as refused:
        make_surface(replace(_request(tmp_path), budget_s=0.0), NoProgress(), FRAME)
    assert refused.value.code == "surface_half"
    assert "--budget" in refused.value.advice
    assert not (tmp_path / "m.ply").exists()
    assert (tmp_path / "m.checkpoint").exists()


@pytest.mark.usefixtures("tiny")
def test_other_methods_refuse_opaque_photos(tmp_path):
    with pytest.raises(BadInputError) as refused:
        make_surface(_request(tmp_path, SurfaceMethod.NEUS), NoProgress(), FRAME)
    assert refused.value.code == "masks_missing"


@pytest.mark.usefixtures("tiny")
def test_the_mesh_is_finished_at_the_level_that_the_method_found_it_at(tmp_path, monkeypatch):
    levels, whole = [], make.finished
    found = method.gspull

    def finish(field, **named):
        levels.append(named["level"])
        return whole(field, **named)

    monkeypatch.setattr(make, "finished", finish)
    monkeypatch.setattr(method, "gspull", lambda job: replace(found(job), level=0.3))
    make_surface(_request(tmp_path), NoProgress(), FRAME)
    assert levels == [0.3]
