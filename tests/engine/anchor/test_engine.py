"""`teethscape reconstruct --engine teethdreamer`: the stages after the parametric fit."""

# ruff: noqa: E402 - the libraries are asked for before what needs them is imported
from __future__ import annotations

import argparse
import importlib.util
import json
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial import KDTree

torch = pytest.importorskip("torch", reason="needs PyTorch")
pytest.importorskip("diffusers", reason="needs diffusers")

from teethscape import cli, protocol
from teethscape.anchor.jaw import read_crowns
from teethscape.cli_generate import add_generate
from teethscape.cli_options import add_reconstruct, view_wishes_of
from teethscape.cli_views import painting_of
from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw
from teethscape.dental.request import Engine, MaskValues, ReconstructRequest
from teethscape.dental.wishes import Backdrop, MemoryMode, Precision, Preset, SurfaceMethod, ViewWishes
from teethscape.diffusion.generate import Generated
from teethscape.diffusion.painter import Recipe
from teethscape.errors import BadInputError, ExitCode, MissingComponentError, RefusedError, UsageError
from teethscape.mesh.ply import read_ply
from teethscape.mesh.solid import Solid
from teethscape.parametric.interface import FitInputs, FittedTooth
from teethscape.pipeline.fit_checkpoint import fit_path, save_fit
from teethscape.pipeline.views_stage import (
    Folded,
    paint_inputs,
    paint_views,
    replaced,
    require_engine,
    surface_method,
    surface_preset,
)
from teethscape.progress import GenerateStage, NoProgress, Stage, SurfaceStage
from teethscape.reconstruct import reconstruct
from teethscape.worker_job import JobProgress, perform

from .cases import write_case
from .paint import Brush, tiles, truth_of

_PLACE = Path(__file__).parents[1] / "pipeline" / "small_case.py"


@pytest.fixture(scope="module")
def small():
    """The small case of the pipeline's tests."""
    spec = importlib.util.spec_from_file_location("small_case_of_engine", _PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _fitted_tooth(crown):
    count = len(crown.vertices)
    return FittedTooth(
        crown.vertices, crown.faces.astype(np.int32), np.full(count, 0.2), np.zeros(count, bool), crown.cap,
        crown.centre, np.eye(3) * 0.01, crown.axes, 0.9, (), 8.0, 0.2,
    )  # fmt: skip


def _fit_of(small, crowns):
    """A fit that has found the synthetic patient."""

    def fit(inputs, progress):
        found = small.quick_fit(inputs, progress)
        return replace(found, teeth={fdi: _fitted_tooth(crown) for fdi, crown in crowns.items()})

    return fit


@pytest.fixture
def request_of(small, crowns, small_file, tmp_path, monkeypatch):
    """A request over small photos whose fit finds the synthetic patient."""

    monkeypatch.setattr("teethscape.parametric.engine.fit_case", _fit_of(small, crowns))
    small.write_inputs(tmp_path)

    def make(**wishes):
        views = ViewWishes(small_file, 2, 0, SurfaceMethod.GRID, **wishes)
        return replace(small.request(tmp_path), engine=Engine.TEETHDREAMER, views=views)

    return make


class _Told(NoProgress):
    """Remembers stages and their shares."""

    def __init__(self):
        self.shares = []

    def stage(self, name, fraction, message=""):
        self.shares.append((name, fraction))


def test_requests_travel_as_json():
    wishes = ViewWishes(
        Path("w.safetensors"), 20, 1, SurfaceMethod.GSPULL, Preset.UPSTREAM, 60.0,
        background=Backdrop.WHITE, precision=Precision.BRAIN, memory=MemoryMode.SMALL,
    )  # fmt: skip
    request = ReconstructRequest(Path("p"), Path("c"), engine=Engine.TEETHDREAMER, views=wishes)
    assert ReconstructRequest.from_json(json.loads(json.dumps(request.to_json()))) == request
    assert ReconstructRequest.from_json({"photos": "p", "output": "c"}).views == ViewWishes()
    for slip in ({"surface": "magic"}, {"background": "pink"}, {"precision": "fp8"}, {"memory": "none"}):
        with pytest.raises(UsageError, match="cannot be read"):
            ReconstructRequest.from_json({"photos": "p", "output": "c", "views": slip})


def test_the_command_takes_the_options_of_generate():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    add_reconstruct(commands)
    add_generate(commands)

    def wishes_of(*options):
        whole = parser.parse_args(["reconstruct", "p", "--output", "c", "--engine", "teethdreamer", *options])
        alone = parser.parse_args(["generate", "p", "--output", "c", *options])
        assert painting_of(alone) == view_wishes_of(whole)
        return view_wishes_of(whole)

    assert wishes_of() == ViewWishes()
    assert wishes_of("--preview").steps == 20
    assert wishes_of("--steps", "0").steps == 0  # the job refuses it
    line = ["--background", "white", "--precision", "bf16", "--memory", "small", "--repaint", "1"]
    assert wishes_of(*line) == ViewWishes(
        repaint=1, background=Backdrop.WHITE, precision=Precision.BRAIN, memory=MemoryMode.SMALL
    )
    with pytest.raises(SystemExit):
        wishes_of("--steps", "9", "--preview")


def test_views_are_painted_as_asked(request_of, monkeypatch):
    asked = []

    def noted(job, *_):
        asked.append(job)
        return [Generated(jaw.value, Path(jaw.value), False) for jaw in job.jaws.members]

    monkeypatch.setattr("teethscape.diffusion.generate.generate", noted)
    request = request_of(background=Backdrop.BLACK, precision=Precision.BRAIN, memory=MemoryMode.SMALL)
    result = SimpleNamespace(teeth={}, scale=None)
    paint_views(CaseFolder(request.output), replace(request, seed=1), result, NoProgress())
    (job,) = asked
    assert (job.backdrop, job.precision, job.memory) == (Backdrop.BLACK, Precision.BRAIN, MemoryMode.SMALL)
    assert job.recipe == Recipe(2, 6034, white=False)


def test_views_of_another_background_or_precision_are_not_taken_for_these(request_of):
    request = request_of()
    request.output.mkdir()

    def inputs(**wishes):
        case = CaseFolder(request.output)
        return paint_inputs(case, request_of(**wishes), NoProgress())

    assert inputs(background=Backdrop.WHITE) != inputs()
    assert inputs(precision=Precision.BRAIN) != inputs()
    assert inputs(memory=MemoryMode.SMALL) == inputs()


def test_wishes_for_another_engine_are_a_slip(tmp_path, capsys):
    line = ["reconstruct", str(tmp_path), "--output", str(tmp_path / "c"), "--surface", "grid"]
    assert cli.main(line) == ExitCode.USAGE
    assert "need --engine teethdreamer" in capsys.readouterr().err


def test_the_surface_is_chosen_by_the_device(request_of, monkeypatch):
    free = replace(request_of(), views=ViewWishes())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (surface_method(free), surface_preset(free)) == (SurfaceMethod.GRID, Preset.SMALL)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (surface_method(free), surface_preset(free)) == (SurfaceMethod.NEUS, Preset.TEETH)
    assert surface_method(request_of()) is SurfaceMethod.GRID


def test_gaussians_that_cannot_be_drawn_are_refused_before_any_work(request_of, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("teethscape.surface.device._card_fault", lambda: "ImportError: no nvcc")
    request = request_of()
    views = replace(request.views, surface=SurfaceMethod.GSPULL)
    free = replace(request, views=views)
    require_engine(free)
    assert surface_preset(free) is Preset.SMALL
    with pytest.raises(MissingComponentError, match="no nvcc"):
        reconstruct(replace(request, views=replace(views, preset=Preset.TEETH)), NoProgress())
    assert not request.output.exists()


def test_views_are_compared_with_the_fit_and_never_with_their_own_surfaces(small, crowns, tmp_path):
    case = CaseFolder(write_case(tmp_path / "case", {11: crowns[21]}))  # meshes of another shape
    record = json.loads(case.record_path.read_text())
    record["request"]["engine"] = "teethdreamer"
    case.record_path.write_text(json.dumps(record))
    with pytest.raises(BadInputError, match="cannot be read"):
        read_crowns(case.root)
    inputs = FitInputs(photos={}, labels={}, label_kind=MaskValues.FDI)
    save_fit(fit_path(case), _fit_of(small, {11: crowns[11]})(inputs, NoProgress()))
    np.testing.assert_allclose(read_crowns(case.root)[11].vertices, crowns[11].vertices)
    fit_path(case).write_bytes(b"PK")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_crowns(case.root)


def test_stages_of_other_jobs_are_parts_of_one():
    told = _Told()
    folded = Folded(told, Stage.PAINT, 2)
    for _ in range(2):
        for stage in GenerateStage:
            folded.stage(stage, 0.0)
            folded.stage(stage, 1.0)
    folded.stage(SurfaceStage.VIEWS, 1.0)
    shares = [share for _, share in told.shares]
    assert {name for name, _ in told.shares} == {Stage.PAINT}
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert 0.5 in shares


@pytest.mark.slow
def test_random_networks_are_refused_and_the_case_says_why(request_of):
    request = request_of()
    with pytest.raises(RefusedError) as refusal:
        reconstruct(request, NoProgress())
    assert refusal.value.code == "views_disagree"
    record = CaseFolder(request.output).read_record()
    assert record["status"] == "failed"
    assert record["error"]["code"] == "views_disagree"
    assert len(list((request.output / "views").glob("*.anchor.json"))) == 2


@pytest.mark.slow
def test_the_worker_paints_reports_and_stops(request_of):
    """The job of the sidebar: the request travels as JSON, stages come back, cancelling ends it in order."""
    request, sent, cancelled = request_of(), [], threading.Event()

    def send(message):
        sent.append(message)
        if (
            isinstance(message, protocol.Progress)
            and message.stage == "paint"
            and "step 1 of" in message.message
        ):
            cancelled.set()

    run = protocol.Run("j", json.loads(json.dumps(request.to_json())))
    end = perform(run, JobProgress("j", send, cancelled))
    assert isinstance(end, protocol.Result)
    assert end.outcome is protocol.Outcome.CANCELLED
    shares = [message.overall for message in sent if isinstance(message, protocol.Progress)]
    assert shares == sorted(shares)
    assert [m.name for m in sent if isinstance(m, protocol.Stage)][-1] == "paint"
    assert CaseFolder(request.output).read_record()["status"] == "cancelled"
    assert not list((request.output / "views").glob("*.part"))


class _Hand:
    """Paints what the patient looks like, in place of networks that have learned it."""

    def __init__(self, crowns, card):
        self._crowns, self.card, self.step_seconds, self.attention, self.rung = crowns, card, [], "none", 0

    def paint(self, jaw, recipe, watching, held=None):
        parts = tiles(self._crowns, jaw.jaw, truth_of(self._crowns), Brush(noise=4))
        return np.stack(parts).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - 1


@pytest.mark.parametrize("apart_mm", [0.0, 0.6, 3.0])
def test_a_surface_beside_the_fit_is_less_sure(crowns, apart_mm):
    tooth = _fitted_tooth(crowns[11])
    solid = Solid("FDI_11", np.add(tooth.vertices, [0.0, 0.0, apart_mm]), tooth.faces)
    moved = replaced(tooth, solid)
    assert np.array_equal(moved.vertices, solid.vertices)
    top = moved.vertices[:, 2].argmax()
    assert moved.sigma_mm[top] == pytest.approx(np.hypot(0.2, apart_mm), rel=0.1)
    assert (moved.sigma_mm >= 0.2).all()
    assert moved.sigma_mm.max() <= np.hypot(0.2, apart_mm) + 1e-9


def test_photos_become_surfaces_in_millimetres_in_the_bite_of_the_fit(request_of, crowns, monkeypatch):
    from teethscape.diffusion.card import Card

    hand = _Hand(crowns, Card(torch.device("cpu"), torch.float32))
    monkeypatch.setattr("teethscape.diffusion.generate._painter", lambda *_: hand)
    request, told = request_of(), _Told()
    summary = reconstruct(request, told)
    assert set(summary.teeth) == set(crowns)
    names = [name for name, _ in told.shares]
    assert (
        names.index(Stage.FIT)
        < names.index(Stage.PAINT)
        < names.index(Stage.WRAP)
        < names.index(Stage.MESHES)
    )
    case, misses = CaseFolder(request.output), []
    assert case.read_finished()["request"]["views"]["weights"] == "small.safetensors"
    for fdi, crown in crowns.items():
        solid, extra = read_ply(case.tooth_mesh(fdi))
        assert set(extra) == {"sigma_mm", "inferred", "cap", "red", "green", "blue"}
        assert np.array_equal(read_crowns(case.root)[fdi].vertices, crown.vertices)
        misses.append(np.median(KDTree(solid.vertices).query(crown.vertices[~crown.cap])[0]))
    assert np.median(misses) < 0.35
    for jaw in Jaw:
        assert (request.output / "meshes" / "surface" / f"{jaw.value}.ply").is_file()
    moved = replace(request, output=request.output.rename(request.output.with_name("upper Patient 7")))
    again = reconstruct(moved, NoProgress())
    assert {"paint", "wrap", "meshes"} <= set(again.resumed)
