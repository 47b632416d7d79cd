"""Run this ring in the environment that holds the bpy wheel, from the development one."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-bpy" / "bin" / "python"


@pytest.mark.skipif(importlib.util.find_spec("bpy") is not None, reason="this is the environment of the ring")
def test_the_ring_passes_with_the_bpy_wheel():
    if not PYTHON.exists():
        pytest.skip(
            "Blender as a module is not installed: python3 examples/environment.py .venv-bpy --profile bpy"
        )
    command = [
        str(PYTHON),
        "-m",
        "pytest",
        "-q",
        "-W",
        "error::pytest.PytestUnknownMarkWarning",
        str(ROOT / "tests/bpy"),
    ]
    ring = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert ring.returncode == 0, ring.stdout + ring.stderr
    assert " passed" in ring.stdout
