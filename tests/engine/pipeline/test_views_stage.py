"""Surfaces of a case: a finished jaw outlives cancelling, and what contradicted the others is told."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import pytest

from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw
from teethscape.dental.request import Engine, ReconstructRequest
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.errors import CancelledError, RefusedError
from teethscape.pipeline import job as job_module
from teethscape.pipeline import views_stage
from teethscape.pipeline.job import Job
from teethscape.pipeline.runner import StageRunner
from teethscape.pipeline.view_notices import painting_notices, surface_notices
from teethscape.progress import NoProgress, Stage

_RESULT: Any = SimpleNamespace(teeth={}, scale=ScaleRecord(ScaleSource.ESTIMATED, 0.05))
_LABELS: Any = None
_TEETH = {Jaw.UPPER: 11, Jaw.LOWER: 41}


class _Maker:
    """Stands in for `make_surface`: writes what it would, or stops at the jaw that is to be cancelled."""

    def __init__(self):
        self.made, self.cancelled_at, self.left_out = [], None, []

    def __call__(self, request, progress, frame):
        out = request.output
        (out.parent / f"{out.stem}-teeth").mkdir(parents=True, exist_ok=True)
        if request.jaw is self.cancelled_at:
            out.with_suffix(".checkpoint").write_bytes(b"half")
            raise CancelledError
        self.made.append(request.jaw)
        tooth = _TEETH[request.jaw]
        out.write_text(f"mesh {len(self.made)}")
        (out.parent / f"{out.stem}-teeth" / f"FDI_{tooth}.ply").write_text("tooth")
        report = {"teeth": [tooth], "views_left_out": self.left_out}
        out.with_suffix(".json").write_text(json.dumps(report))
        for name in self.left_out:
            progress.warn("view_odd", f"{name} contradicts the others and is left out.")
        return report


@pytest.fixture
def maker(monkeypatch):
    found = _Maker()
    monkeypatch.setattr("teethscape.surface.make.make_surface", found)
    monkeypatch.setattr("teethscape.surface.frame.anchored_frame", lambda *_: None)
    monkeypatch.setattr(views_stage, "read_place", lambda _: None)
    monkeypatch.setattr("teethscape.surface.device.uses_card", lambda _: False)
    return found


@pytest.fixture
def case(tmp_path):
    folder = CaseFolder(tmp_path / "case")
    (folder.root / "views").mkdir(parents=True)
    for strip in _strips(folder).values():
        strip.write_bytes(b"strip")
        strip.with_suffix(".json").write_text("{}")
    return folder


def _strips(case):
    return {jaw: case.root / "views" / f"case_{jaw.value}.png" for jaw in Jaw}


def _wrapped(case, inputs="grid"):
    """The stage as the job runs it; the files that it says it has made."""
    runner = StageRunner(case, NoProgress(), lambda _: None)
    request = ReconstructRequest(case.root, case.root, engine=Engine.TEETHDREAMER)

    def make():
        work = views_stage.Wrapping(case, request, _RESULT, _strips(case), runner.key)
        files = views_stage.wrap_views(work, NoProgress())
        return files, files

    with case.locked():
        return runner.run(Stage.WRAP, {"surface": inputs}, make, list)


def _cancelled_at(maker, case, jaw):
    maker.cancelled_at = jaw
    with pytest.raises(CancelledError):
        _wrapped(case)
    maker.cancelled_at = None


def test_a_cancelled_stage_continues_after_the_finished_jaw(maker, case):
    _cancelled_at(maker, case, Jaw.LOWER)
    surface = case.root / "meshes" / "surface"
    before = {path: path.read_bytes() for path in surface.rglob("*") if path.is_file()}
    assert {path.name for path in before} == {"upper.ply", "upper.json", "FDI_11.ply", "lower.checkpoint"}
    files = _wrapped(case)
    assert maker.made == [Jaw.UPPER, Jaw.LOWER]
    assert all(path.read_bytes() == content for path, content in before.items())
    names = ["upper.ply", "upper.json", "FDI_11.ply", "lower.ply", "lower.json", "FDI_41.ply"]
    assert [path.name for path in files] == names
    assert all(path.is_file() for path in files)


def test_a_refused_surface_names_its_jaw_and_what_can_be_done_here(maker, case, monkeypatch):
    def refuse(request, progress, frame):
        if request.jaw is Jaw.UPPER:
            return maker(request, progress, frame)
        raise RefusedError("surface_half", "It covers only 40 % of what view 9 shows.", "--leave-out it.")

    monkeypatch.setattr("teethscape.surface.make.make_surface", refuse)
    with pytest.raises(RefusedError) as caught:
        _wrapped(case)
    assert caught.value.code == "surface_half"
    assert caught.value.message == "Lower jaw: It covers only 40 % of what view 9 shows."
    assert "leave-out" not in caught.value.advice
    assert "another surface method" in caught.value.advice


@pytest.mark.parametrize("spoil", ["inputs", "strip", "tooth", "report"])
def test_a_finished_jaw_of_something_else_or_with_a_gap_is_made_anew(maker, case, spoil):
    _cancelled_at(maker, case, Jaw.LOWER)
    surface = case.root / "meshes" / "surface"
    (surface / "upper-teeth" / "FDI_18.ply").write_text("of a fit that had it")
    if spoil == "strip":
        _strips(case)[Jaw.UPPER].write_bytes(b"other")
    if spoil == "report":
        (surface / "upper.json").write_text("{")
    if spoil == "tooth":
        (surface / "upper-teeth" / "FDI_18.ply").unlink()
        (surface / "upper-teeth" / "FDI_11.ply").unlink()
    _wrapped(case, "neus" if spoil == "inputs" else "grid")
    assert maker.made == [Jaw.UPPER, Jaw.UPPER, Jaw.LOWER]
    assert [path.name for path in (surface / "upper-teeth").iterdir()] == ["FDI_11.ply"]


def test_an_earlier_stage_takes_surfaces_with_it(maker, case):
    _wrapped(case)
    with case.locked():
        StageRunner(case, NoProgress(), lambda _: None).run(Stage.FIT, {}, lambda: (None, []), lambda: None)
    assert not [path for path in (case.root / "meshes" / "surface").rglob("*") if path.is_file()]


def test_notices_name_jaw_and_views(tmp_path):
    files = {jaw: tmp_path / f"{jaw.value}.ply" for jaw in Jaw}
    reports = {"upper": ["view 9", "view 11"], "lower": []}
    for name, left_out in reports.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"views_left_out": left_out}))
    told = "Upper jaw: view 9 and view 11 contradict the others and are left out of the surface."
    assert surface_notices(files) == [told]
    rounds = [{"views": ["view 8"]}, {"views": ["view 8", "view 10"]}]
    (tmp_path / "lower.json").write_text(json.dumps({"repainted": rounds}))
    told = "Lower jaw: painted again, because of what disagreed with the fitted teeth: view 8 and view 10."
    assert painting_notices(files) == [told]


def test_notices_tell_of_masks_whose_borders_were_moved(tmp_path):
    moves = {
        "upper": {"view 1": 0.0, "view 2": -1.24, "view 9": 0.5},
        "lower": {"view 3": 0.0, "view 4": None},
    }
    for name, of_views in moves.items():
        views = {view: {"mask_moved_px": move} for view, move in of_views.items()}
        (tmp_path / f"{name}.json").write_text(json.dumps({"views_left_out": [], "views": views}))
    told = "the masks of view 2 and view 9 were up to 1.2 px too large or too small; their borders are moved."
    assert surface_notices({jaw: tmp_path / f"{jaw.value}.ply" for jaw in Jaw}) == [f"Upper jaw: {told}"]


def test_strips_keep_their_names_when_the_folder_gets_another(case):
    request = ReconstructRequest(case.root, case.root)
    names = {strip.name for strip in views_stage.painted_strips(case, request).values()}
    moved = CaseFolder(case.root.rename(case.root.with_name("Patient 7")))
    assert {strip.name for strip in views_stage.painted_strips(moved, request).values()} == names


def test_strips_named_after_the_folder_are_taken_over(case):
    request = ReconstructRequest(case.root, case.root)
    strips, ending = views_stage.painted_strips(case, request), "_upper_cond_000_000_000_000"
    for number, name in enumerate(("Former", "Older")):
        strip = case.root / "views" / f"{name}{ending}.png"
        for file in views_stage.strip_files(strip):
            file.write_text(name)
        os.utime(strip, (1000 - number, 1000 - number))
    strips[Jaw.LOWER].write_text("own")
    (case.root / "views" / "Former_lower_cond_000_000_000_000.png").write_text("of another run")
    views_stage._take_over_strips(case, request)
    assert [file.read_text() for file in views_stage.strip_files(strips[Jaw.UPPER])] == ["Former"] * 3
    assert strips[Jaw.LOWER].read_text() == "own"
    left = {path.name for path in (case.root / "views").glob(f"*{ending}*")}
    assert {name for name in left if name.startswith("Former")} == set()


class _Listener(NoProgress):
    """Remembers warnings."""

    def __init__(self):
        self.warnings = []

    def warn(self, code, message):
        self.warnings.append((code, message))


def test_the_case_names_what_was_left_out_when_made_and_when_loaded(maker, case, monkeypatch):
    maker.left_out = ["view 11"]
    painted = {"repainted": [{"views": ["view 9"]}]}
    _strips(case)[Jaw.LOWER].with_suffix(".json").write_text(json.dumps(painted))
    monkeypatch.setattr(views_stage, "paint_inputs", lambda *_: {})
    monkeypatch.setattr(views_stage, "paint_views", lambda case, *_: _strips(case))
    monkeypatch.setattr(views_stage, "painted_strips", lambda case, _: _strips(case))
    monkeypatch.setattr(views_stage, "strip_files", lambda strip: [strip, strip.with_suffix(".json")])
    monkeypatch.setattr(views_stage, "with_surfaces", lambda _, result: result)
    for name in ("_final_masks", "write_fdi_masks"):
        monkeypatch.setattr(job_module, name, lambda *_: {})
    request = ReconstructRequest(case.root, case.root, engine=Engine.TEETHDREAMER)
    loud = _Listener()
    wanted = (
        "Lower jaw: painted again, because of what disagreed with the fitted teeth: view 9.",
        "Upper jaw: view 11 contradicts the others and is left out of the surface.",
        "Lower jaw: view 11 contradicts the others and is left out of the surface.",
    )
    for progress, resumed in ((loud, []), (NoProgress(), [Stage.PAINT, Stage.WRAP])):
        with case.locked():
            job = Job(case, request, progress)
            job._views({}, _LABELS, _RESULT)
        assert job.runner.resumed == resumed
        assert job.record.notices == wanted
    assert loud.warnings[0] == ("view_odd", "Upper jaw: view 11 contradicts the others and is left out.")
