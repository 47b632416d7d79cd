"""Where the views of a case lie is believed of the fit that they were compared with, and of no other."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.anchor.jaw import fit_digest
from teethscape.anchor.report import read_place, report_path
from teethscape.dental.fdi import Jaw
from teethscape.dental.files import write_with
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.errors import BadInputError, CancelledError
from teethscape.mesh.align import Similarity
from teethscape.mesh.ply import write_ply
from teethscape.mesh.solid import FileNote, Solid
from teethscape.progress import NoProgress
from teethscape.surface import make, placement
from teethscape.surface.request import SurfaceRequest

from .scene import SCALE, arch_mesh

FOUND, ANEW = Similarity(0.02, np.eye(3), np.zeros(3)), Similarity(0.01, np.eye(3), np.ones(3))


class _Listener(NoProgress):
    def __init__(self):
        self.told = []

    def warn(self, code, message):
        self.told.append((code, message))


@pytest.fixture
def crowns():
    vertices, faces = arch_mesh(((0.0, 0.14),))
    return {11: Solid("FDI_11", vertices * SCALE, faces)}


@pytest.fixture
def case(tmp_path, crowns):
    note = FileNote(ScaleRecord(ScaleSource.SCAN, 0.0))
    write_with(tmp_path / "case" / "FDI_11.ply", lambda stream: write_ply(stream, crowns[11], note))
    return tmp_path / "case"


def _strip(folder, **told):
    strip = folder / "p_upper.png"
    place = {"scale": FOUND.scale, "rotation": FOUND.rotation.tolist(), "shift": FOUND.shift.tolist()}
    report_path(strip).write_text(json.dumps({"place": place, **told}))
    return strip


def test_the_report_of_this_fit_is_believed(tmp_path, case, crowns):
    fit = fit_digest({fdi: solid.vertices for fdi, solid in crowns.items()}, Jaw.UPPER)
    listener = _Listener()
    place = placement.place_in(case, _strip(tmp_path, fit=fit), Jaw.UPPER, listener)
    assert place is not None
    assert place.scale == FOUND.scale
    assert listener.told == []


@pytest.mark.parametrize("told", [{"fit": "of another fit"}, {}])
@pytest.mark.parametrize(("placed", "wanted"), [(4, ANEW), (3, None)])
def test_views_of_another_fit_are_compared_anew(tmp_path, case, monkeypatch, told, placed, wanted):
    monkeypatch.setattr(placement, "compare_strip", lambda *_: SimpleNamespace(place=ANEW, placed=placed))
    listener = _Listener()
    assert placement.place_in(case, _strip(tmp_path, **told), Jaw.UPPER, listener) is wanted
    ((code, words),) = listener.told
    assert code == "placement_stale"
    assert ("compared anew" in words) is (wanted is not None)


def test_meshes_alone_are_not_compared_and_that_is_said(tmp_path, case):
    listener = _Listener()
    assert placement.place_in(case, _strip(tmp_path), Jaw.UPPER, listener) is None
    assert [code for code, _ in listener.told] == ["placement_stale"]
    assert "does not agree" in listener.told[0][1]


def test_views_without_a_report_were_never_compared(tmp_path, case):
    assert placement.place_in(case, tmp_path / "p_upper.png", Jaw.UPPER, _Listener()) is None


def test_a_surface_of_a_case_asks_for_the_place_in_this_case(tmp_path, case, monkeypatch):
    def stop(views, extent, folder, place):
        assert (folder, place) == (case, ANEW)
        raise CancelledError

    monkeypatch.setattr(make, "read_views", lambda request: SimpleNamespace(jaw=Jaw.UPPER, normals=None))
    monkeypatch.setattr(make, "where_normals_are", lambda views: views)
    monkeypatch.setattr(placement, "compare_strip", lambda *_: SimpleNamespace(place=ANEW, placed=8))
    monkeypatch.setattr(make, "frame_of", stop)
    request = SurfaceRequest(_strip(tmp_path, fit="of another fit"), tmp_path / "m.ply", case=case)
    with pytest.raises(CancelledError):
        make.make_surface(request, NoProgress())


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0}, {"scale": -1}, {"scale": float("inf")}, {"scale": 10**400},
        {"rotation": [[1, 0], [0, 1]]}, {"rotation": np.zeros((3, 3)).tolist()},
        {"rotation": np.full((3, 3), np.nan).tolist()}, {"rotation": np.diag([-1.0, 1, 1]).tolist()},
        {"shift": [1, 2]}, {"shift": ["a", "b", "c"]}, {"shift": [0, 0, float("nan")]},
    ],
    ids=str,
)  # fmt: skip
def test_a_report_whose_place_is_none_is_damaged(tmp_path, wrong):
    right = {"scale": 0.02, "rotation": np.eye(3).tolist(), "shift": [0, 0, 0]}
    strip = _strip(tmp_path, place={**right, **wrong})
    with pytest.raises(BadInputError) as refused:
        read_place(strip)
    assert refused.value.code == "anchor_missing"
    assert str(report_path(strip)) in refused.value.message
