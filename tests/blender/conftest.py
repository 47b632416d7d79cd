"""The box of real Blender, or a skip with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from box import Box

#: A first set-up downloads a Debian with Blender.
_SETUP_S = 1500


@pytest.fixture(scope="session", params=os.environ.get("TEETHSCAPE_BLENDER_SERIES", "5.2").split(","))
def box(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Real Blender with the extension installed from its zip."""
    tool = shared / "tools" / "blender-box"
    if not tool.exists():
        pytest.skip("the blender-box tool is absent, so there is no real Blender to test in")
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("real Blender needs root and debootstrap (apt-get install debootstrap)")
    setup = [sys.executable, str(tool), "setup", "--series", request.param]
    made = subprocess.run(setup, capture_output=True, text=True, check=False, timeout=_SETUP_S)
    if made.returncode:
        pytest.skip(f"Blender {request.param} cannot be set up: {made.stderr.strip()[-300:]}")
    folder = tmp_path_factory.mktemp(f"blender-{request.param}")
    for name in ("work", "home"):
        (folder / name).mkdir()
    made_box = Box(tool, request.param, folder / "work", folder / "home")
    made_box.build_extension()
    return made_box
