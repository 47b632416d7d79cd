"""The same use case as a job of the engine's worker, and as a command."""

from __future__ import annotations

import json
import threading

import pytest

from teethscape import cli, protocol
from teethscape.dataset.farm.request import Kind, Look, RenderRequest
from teethscape.errors import ExitCode, UsageError
from teethscape.worker_job import JobProgress, perform


def _perform(request: dict, cancelled: bool = False):
    sent: list[protocol.Message] = []
    stop = threading.Event()
    if cancelled:
        stop.set()
    run = protocol.Run("j", request, protocol.Command.RENDER_DATASET)
    return perform(run, JobProgress("j", sent.append, stop)), sent


def test_the_worker_renders_and_reports_every_case(fake, meshes, tmp_path):
    fake("refuse")
    request = RenderRequest(str(tmp_path / "set"), (meshes,), workers=1).to_json()
    end, sent = _perform(json.loads(json.dumps(request)))
    assert isinstance(end, protocol.Result)
    assert end.summary["done"] == 2
    assert len(end.summary["failed"]) == 2
    shares = [m.overall for m in sent if isinstance(m, protocol.Progress)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert [m.code for m in sent if isinstance(m, protocol.Warning)] == ["case_failed"] * 2
    protocol.encode(end)


def test_a_cancelled_job_is_no_error(fake, meshes, tmp_path):
    fake("ok")
    end, _ = _perform(RenderRequest(str(tmp_path / "set"), (meshes,)).to_json(), cancelled=True)
    assert isinstance(end, protocol.Result)
    assert end.outcome is protocol.Outcome.CANCELLED


def test_a_request_survives_the_journey():
    request = RenderRequest("s3://b/x", (), 5, 2, (Kind.PHOTO,), Look(seed=9), ray="auto", overwrite=True)
    assert RenderRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"output": "x"},
        {"output": "x", "synthetic": 1, "kinds": ["sound"]},
        {"output": "x", "synthetic": 1, "look": {"colour": 3}},
        {"output": "x", "synthetic": 1, "look": {"image_size": 3}},
        {"output": "x", "synthetic": 1, "val_share": 1.0},
    ],
)
def test_a_wrong_request_is_wrong_usage(values):
    with pytest.raises(UsageError):
        RenderRequest.from_json(values)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["render"], ExitCode.USAGE, "--output"),
        (["render", "--output", "x"], ExitCode.USAGE, "nothing to render"),
        (["render", "m", "--output", "x", "--kinds", "sound"], ExitCode.USAGE, "'sound'"),
        (["render", "no.ply", "--output", "x"], ExitCode.BAD_INPUT, "does not exist"),
        (["check", "nowhere"], ExitCode.BAD_INPUT, "no finished case"),
        (["pack", "nowhere", "--output", "x"], ExitCode.BAD_INPUT, "splits.json"),
        (["import", "nowhere", "--output", "x"], ExitCode.BAD_INPUT, "does not exist"),
        (["render", "--synthetic", "1", "--output", "x", "--blender", "nowhere"], 4, "no Blender"),
    ],
)
def test_mistakes_are_told_in_words(tmp_path, monkeypatch, capsys, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["dataset", *arguments]) == code
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_the_command_renders_checks_and_packs(fake, meshes, tmp_path, capsys):
    fake("real")
    place, shards = str(tmp_path / "set"), str(tmp_path / "shards")
    assert (
        cli.main(["dataset", "render", str(meshes), "--output", place, "--image-size", "16", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["done"] == 4
    assert cli.main(["dataset", "check", place, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []
    assert cli.main(["dataset", "pack", place, "--output", shards]) == 0
    (tmp_path / "set" / "splits.json").unlink()
    assert cli.main(["dataset", "check", place]) == ExitCode.BAD_INPUT
    assert "splits.json: is missing" in capsys.readouterr().err
