"""The persistent worker: jobs in, answers out, failures that do not end it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import convex
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "render_scripts" / "render_worker.py"
MARK = "@teethscape "


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Answers to good and bad jobs, in their order."""
    root = tmp_path_factory.mktemp("worker")
    mesh = convex.write_obj(convex.ellipsoid(level=1), root / "Fall Müller" / "norm_upper.obj")
    good = [
        "--object_path",
        str(mesh),
        "--target_dir",
        str(root / "out"),
        "--image_size",
        "32",
        "--num_images",
        "1",
    ]
    jobs = [
        json.dumps({"id": "one", "script": "normal", "argv": good}),
        json.dumps(
            {"id": "bad file", "script": "normal", "argv": [*good[2:], "--object_path", "no_upper.ply"]}
        ),
        "no json",
        json.dumps({"id": "no script", "script": "sculpture", "argv": []}),
        json.dumps({"id": "no words", "script": "normal", "argv": [1]}),
        json.dumps({"id": "usage", "script": "normal", "argv": [*good, "--nonsense"]}),
        "",
        json.dumps({"id": "again", "script": "color", "argv": [*good, "--only", "target", "--samples", "1"]}),
    ]
    command = [sys.executable, str(SCRIPT)]
    done = subprocess.run(
        command, input="\n".join(jobs) + "\n", capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(line.startswith(MARK) for line in lines if "teethscape" in line)
    assert "Saved" not in done.stdout  # Blender's chatter
    (root / "out" / "Fall Müller_norm_upper_left" / "000_normal.png").stat()
    return [json.loads(line.removeprefix(MARK)) for line in lines if line.startswith(MARK)]


def test_it_says_when_it_is_ready(answers):
    assert answers[0]["status"] == "ready"
    assert answers[0]["blender"].count(".") == 2


def test_every_job_is_answered_in_order(answers):
    found = [(a["id"], a["status"], a["code"]) for a in answers[1:]]
    assert found == [
        ("one", "done", 0), ("bad file", "failed", 3), (None, "failed", 2), ("no script", "failed", 2),
        ("no words", "failed", 2), ("usage", "failed", 2), ("again", "done", 0),
    ]  # fmt: skip


def test_answers_tell_why_and_how_long(answers):
    by_name = {a["id"]: a for a in answers[1:]}
    assert "no_upper.ply" in by_name["bad file"]["message"]
    assert "--nonsense" in by_name["usage"]["message"]
    assert by_name["one"]["message"] == ""
    assert 0 < by_name["one"]["cpu_s"] < 60
    assert by_name["one"]["seconds"] > 0
