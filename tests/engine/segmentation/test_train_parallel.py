"""A training that two processes share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")
if not torch.distributed.is_available():
    pytest.skip("this PyTorch has no processes that work together", allow_module_level=True)


def _share(argument: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(Path(__file__).with_name("share_work.py")), argument]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


@pytest.mark.slow
def test_two_processes_average_their_gradients(tmp_path):
    done = _share(str(tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.read_text("utf-8") for path in sorted(tmp_path.iterdir())] == ["[1.5, 1.5, 1.0]"] * 2


@pytest.mark.slow
def test_a_process_that_ends_at_its_start_is_not_waited_for():
    done = _share("broken")
    assert "A training process ended before it began (exit code 1)" in done.stderr
