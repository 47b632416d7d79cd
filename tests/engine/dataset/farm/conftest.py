"""A farm whose Blender is `fake_blender.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest_farm import use_fake


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    """Two patients with both jaws; the fake worker does not read what is in the files."""
    for patient in ("Ärztin 1", "P2"):
        for jaw in ("upper", "lower"):
            path = tmp_path / "meshes" / patient / f"norm_{jaw}.ply"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{patient} {jaw}", "utf-8")
    return tmp_path / "meshes"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Let the farm start the fake worker in a mode."""
    return lambda mode="ok", start_s=20.0: use_fake(monkeypatch, tmp_path, mode, start_s)
