"""The box of real Blender, or a skip with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from box import Box, copy_parts

#: A first set-up downloads a Debian with Blender.
_SETUP_S = 1500


def _series(default: str) -> list[str]:
    return os.environ.get("TEETHSCAPE_BLENDER_SERIES", default).split(",")


def _box(series: str, shared: Path, folder: Path) -> Box:
    """A set-up box with empty folders, or a skip with the reason."""
    tool = shared / "tools" / "blender-box"
    if not tool.exists():
        pytest.skip("the blender-box tool is absent, so there is no real Blender to test in")
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("real Blender needs root and debootstrap (apt-get install debootstrap)")
    setup = [sys.executable, str(tool), "setup", "--series", series]
    made = subprocess.run(setup, capture_output=True, text=True, check=False, timeout=_SETUP_S)
    if made.returncode:
        pytest.skip(f"Blender {series} cannot be set up: {made.stderr.strip()[-300:]}")
    for name in ("work", "home"):
        (folder / name).mkdir()
    return Box(tool, series, folder / "work", folder / "home")


@pytest.fixture(scope="session", params=_series("5.2"))
def box(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Real Blender with the extension installed from its zip."""
    made = _box(request.param, shared, tmp_path_factory.mktemp(f"blender-{request.param}"))
    made.build_extension()
    return made


@pytest.fixture(scope="session", params=_series("4.3,5.2"))
def render_box(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Real Blender of each series with our files in ``/w/source``, nothing installed."""
    made = _box(request.param, shared, tmp_path_factory.mktemp(f"render-{request.param}"))
    copy_parts(made.folder / "source")
    return made
