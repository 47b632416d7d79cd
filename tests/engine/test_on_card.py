"""No tensor of the processor meets one of the graphics processor; there is none here, so it is pretended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")
pytest.importorskip("diffusers", reason="needs diffusers")
from torch.utils import backend_registration  # noqa: E402 - needs torch

_PROGRAM = Path(__file__).with_name("on_card.py")


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"),
    reason="needs a PyTorch that takes devices from Python",
)
@pytest.mark.parametrize("check", ["strict", "paint", "learn", "neus", "gspull"])
def test_nothing_mixes_tensors_of_card_and_processor(check):
    done = subprocess.run(
        [sys.executable, str(_PROGRAM), check], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= 3
