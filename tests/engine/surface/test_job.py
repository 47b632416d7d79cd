"""A surface as a job of the worker: progress, cancelling, continuing, words for bad requests."""

from __future__ import annotations

import threading

import pytest

from teethscape import protocol
from teethscape.dental.wishes import SurfaceMethod
from teethscape.errors import UsageError
from teethscape.progress import SurfaceStage
from teethscape.surface import session
from teethscape.surface.grid.reconstruct import LEVELS
from teethscape.surface.request import SurfaceRequest
from teethscape.worker_job import JobProgress, perform


def _run(request, cancel_at=None):
    """The end of a job and its progress; cancelled after that many reports of training that had begun."""
    sent: list[protocol.Progress] = []
    cancelled = threading.Event()

    def send(message):
        if isinstance(message, protocol.Progress):
            sent.append(message)
            training = [r for r in sent if r.stage == SurfaceStage.TRAIN and r.fraction > 0]
            if cancel_at is not None and len(training) >= cancel_at:
                cancelled.set()

    run = protocol.Run("j", request, protocol.Command.SURFACE)
    return perform(run, JobProgress("j", send, cancelled)), sent


@pytest.mark.slow
def test_a_cancelled_job_continues_and_its_progress_never_runs_backwards(strip, tmp_path):
    request = {"views": str(strip), "output": str(tmp_path / "lower.ply"), "extent_mm": 60}
    end, before = _run(request, cancel_at=6)
    assert isinstance(end, protocol.Result)
    assert end.outcome is protocol.Outcome.CANCELLED
    assert (tmp_path / "lower.checkpoint").is_file()
    end, after = _run(request)
    assert isinstance(end, protocol.Result)
    assert end.outcome is protocol.Outcome.DONE
    assert end.summary["output"] == request["output"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lower.json", "lower.ply"]
    overall = [report.overall for report in after]
    assert overall == sorted(overall)
    assert (overall[0], overall[-1]) == (0.0, pytest.approx(1.0))
    first = [next(r.fraction for r in some if r.stage == SurfaceStage.TRAIN) for some in (before, after)]
    assert first[0] == 0.0
    done = LEVELS[0].steps / sum(level.steps for level in LEVELS)
    assert first[1] == pytest.approx(done)  # the first resolution is not done again


@pytest.mark.slow
@pytest.mark.parametrize(("method", "reports"), [("neus", 4), ("gspull", 18)])
def test_torch_methods_continue_from_their_checkpoint(strip, tmp_path, monkeypatch, method, reports):
    pytest.importorskip("torch", reason="needs PyTorch")
    monkeypatch.setattr(session, "_CHECKPOINT_S", 0.0)
    request = {
        "views": str(strip),
        "output": str(tmp_path / "lower.ply"),
        "method": method,
        "preset": "small",
    }
    (tmp_path / "lower.checkpoint").write_bytes(b"cut short")  # is no checkpoint, so it is not used
    end, before = _run(request, cancel_at=reports)
    assert isinstance(end, protocol.Result)
    assert end.outcome is protocol.Outcome.CANCELLED
    _, after = _run(request, cancel_at=1)
    assert after[-1].stage == SurfaceStage.TRAIN
    # The steps between the last report and the stop are kept, too.
    assert 0 <= after[-1].fraction - before[-1].fraction < 0.005
    assert before[-1].fraction > 0


@pytest.mark.parametrize("values", [{}, {"views": "a.png"}, {"views": "a", "output": "b.ply", "method": "x"}])
def test_a_request_that_cannot_be_read_is_refused(values):
    with pytest.raises(UsageError) as caught:
        SurfaceRequest.from_json(values)
    assert caught.value.code == "bad_request"


def test_absent_values_take_their_default():
    request = SurfaceRequest.from_json({"views": "a.png", "output": "b.ply", "jaw": None, "keep": [8, 9]})
    assert (request.method, request.jaw, request.keep) == (SurfaceMethod.GRID, None, (8, 9))


def test_an_ending_that_cannot_be_written_is_refused_by_the_worker_too(strip, tmp_path):
    end, _ = _run({"views": str(strip), "output": str(tmp_path / "mesh.fbx")})
    assert isinstance(end, protocol.Error)
    assert (end.code, end.exit_code) == ("usage", 2)
