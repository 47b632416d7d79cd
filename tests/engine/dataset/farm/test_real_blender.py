"""The farm with real renders by the bpy wheel: killed anywhere, it ends with the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest_farm import contents

from teethscape.dataset.farm.check import check_dataset
from teethscape.dataset.scans.normalise import write_normalised
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.mesh.solid import Solid, joined
from teethscape.parametric.prior import load_prior
from teethscape.progress import NoProgress

ROOT = Path(__file__).resolve().parents[4]
PYTHON = ROOT / ".venv-bpy" / "bin" / "python"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.bpy,
    pytest.mark.skipif(
        not PYTHON.exists(),
        reason="no bpy wheel: python3 examples/environment.py .venv-bpy --profile bpy",
    ),
]


@pytest.fixture(scope="module")
def jaws(tmp_path_factory) -> Path:
    """The average mouth, normalised."""
    prior, folder = load_prior(), tmp_path_factory.mktemp("jaws")
    meshes = {
        jaw: joined(
            [Solid(str(f), prior.mean_vertices(f), prior.faces_of(f)) for f in prior.fdi if jaw_of(f) is jaw],
            "j",
        )
        for jaw in Jaw
    }
    write_normalised(folder / "P1", meshes)
    return folder


def _start(jaws: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "teethscape", "dataset", "render", str(jaws), "--output", str(output),
        "--image-size", "32", "--samples", "1", "--blender", str(PYTHON), "--workers", "1", "--threads",
        "1", "--json", *more,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "backend")}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def _finish(process: subprocess.Popen[str]) -> dict:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return json.loads(out)


@pytest.fixture(scope="module")
def reference(jaws, tmp_path_factory) -> dict[str, str]:
    output = tmp_path_factory.mktemp("reference")
    _finish(_start(jaws, output))
    report = check_dataset(str(output), False, NoProgress())
    assert report.problems == ()
    assert report.cases == 2
    return contents(output)


def _children(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")  # each thread has its own
    return [int(child) for one in lists for child in one.read_text("ascii").split()]


def _pictures(output: Path) -> int:
    return len(list((output / ".work").glob("run-*/*/*/*/*.png")))


def _wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 200
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert ready()


def _photograph(output: Path) -> subprocess.Popen[str]:
    """Start to render a synthetic patient, small."""
    command = [
        sys.executable, "-m", "teethscape", "dataset", "render", "--synthetic", "1", "--output", str(output),
        "--photo-width", "96", "--photo-samples", "1", "--blender", str(PYTHON), "--workers", "1",
        "--threads", "1", "--json",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "backend")}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker in /proc")
def test_photographs_of_a_killed_blender_and_a_killed_driver_are_the_same(tmp_path):
    _finish(_photograph(tmp_path / "whole"))
    assert check_dataset(str(tmp_path / "whole"), False, NoProgress()).problems == ()
    output = tmp_path / "torn"
    process = _photograph(output)
    _wait_for(lambda: bool(list((output / ".work").glob("run-*/*/photo/.*.part/cameras.json"))))
    process.kill()  # the driver, in the middle of a case
    process.communicate()
    process = _photograph(output)
    _wait_for(lambda: bool(_children(process.pid)))
    (child,) = _children(process.pid)
    begun = f"run-*/*/photo/.*.{child}.part/cameras.json"  # it comes before the renders
    _wait_for(lambda: bool(list((output / ".work").glob(begun))))
    os.kill(child, signal.SIGKILL)
    _finish(process)
    assert contents(output) == contents(tmp_path / "whole")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker in /proc")
@pytest.mark.parametrize("pictures", [100])
def test_a_killed_blender_changes_no_byte(jaws, reference, tmp_path, pictures):
    process = _start(jaws, tmp_path)
    _wait_for(lambda: _pictures(tmp_path) >= pictures)  # in the middle of the colours
    (child,) = _children(process.pid)
    os.kill(child, signal.SIGKILL)
    summary = _finish(process)
    assert summary["done"] == 2
    assert contents(tmp_path) == reference
    log = [json.loads(line) for line in (tmp_path / "log" / "farm.jsonl").read_text("utf-8").splitlines()]
    assert sorted(entry["attempts"] for entry in log) == [1, 2]


@pytest.mark.parametrize("pictures", [20, 150])
def test_a_killed_driver_changes_no_byte(jaws, reference, tmp_path, pictures):
    process = _start(jaws, tmp_path)
    _wait_for(lambda: _pictures(tmp_path) >= pictures)
    process.kill()
    process.communicate()
    _finish(_start(jaws, tmp_path))  # at once: the orphaned Blender still renders
    assert contents(tmp_path) == reference


def test_two_workers_with_other_threads_give_the_same_bytes(jaws, reference, tmp_path):
    process = _start(jaws, tmp_path, "--workers", "2", "--threads", "2")
    _finish(process)
    assert contents(tmp_path) == reference
    assert np.all([Path(tmp_path / "log" / f"blender-{k}.log").stat().st_size > 0 for k in range(2)])
