"""Where training begins: with a fitted arch NeuS' and GS-Pull's distances are that arch before any step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.dental.request import Device  # noqa: E402
from teethscape.dental.units import ScaleRecord, ScaleSource  # noqa: E402
from teethscape.dental.wishes import Preset, SurfaceMethod  # noqa: E402
from teethscape.mesh.solid import FileNote, Solid  # noqa: E402
from teethscape.progress import NoProgress  # noqa: E402
from teethscape.surface.frame import Frame  # noqa: E402
from teethscape.surface.gspull.method import gspull  # noqa: E402
from teethscape.surface.job import Job, start_of  # noqa: E402
from teethscape.surface.mesh.teeth import KnownArch  # noqa: E402
from teethscape.surface.neus.method import neus  # noqa: E402
from teethscape.surface.request import SurfaceRequest  # noqa: E402
from teethscape.surface.session import Session  # noqa: E402

from .scene import SCALE, arch_mesh, views_of  # noqa: E402

FRAME = Frame(SCALE, np.zeros(3), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))
_PLACES = {37: (-0.22, 0.0), 31: (0.0, 0.14), 47: (0.22, 0.0)}


METHODS = {SurfaceMethod.NEUS: neus, SurfaceMethod.GSPULL: gspull}


@pytest.fixture(scope="module")
def arch():
    crowns = {fdi: arch_mesh((place,)) for fdi, place in _PLACES.items()}
    return KnownArch({fdi: Solid(f"FDI_{fdi}", v * SCALE, f) for fdi, (v, f) in crowns.items()})


def _started(method, arch, folder):
    """What a method finds when its time is over before it begins."""
    views = views_of(*arch_mesh(), size=64)
    frame = replace(FRAME, arch=arch)
    request = SurfaceRequest(Path("v"), folder / "m.ply", method, Preset.SMALL, device=Device.CPU)
    session = Session(NoProgress(), request.output, 0.0, frame)
    return METHODS[method](Job(request, views, frame, start_of(views, frame), session, "key")).field


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_without_any_time_the_surface_is_the_arch_where_no_view_sees(method, arch, tmp_path):
    """The undersides: the hull of views from above hangs below the crowns there."""
    (tmp_path / "cold").mkdir()
    (tmp_path / "warm").mkdir()
    points = np.concatenate([s.vertices for s in arch.teeth.values()])
    under = points[points[:, 2] < 0.0]
    warm = _started(method, arch, tmp_path / "warm")
    cold = _started(method, None, tmp_path / "cold")
    assert len(warm.surface()[1]) > 0
    assert np.abs(warm.at(under)).mean() < 0.6 * np.abs(cold.at(under)).mean()
