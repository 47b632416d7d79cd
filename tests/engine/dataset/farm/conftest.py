"""A farm whose Blender is `fake_blender.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest_farm import make_meshes, use_fake

from teethscape.dataset.farm.render import render_dataset
from teethscape.dataset.farm.request import Look, RenderRequest
from teethscape.progress import NoProgress


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    """Two patients with both jaws; the fake worker does not read what is in the files."""
    return make_meshes(tmp_path / "meshes", "Ärztin 1", "P2")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Let the farm start the fake worker in a mode."""
    return lambda mode="ok", start_s=20.0: use_fake(monkeypatch, tmp_path, mode, start_s)


@pytest.fixture(scope="session")
def sound_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of four small jaws that passes a check; copy it before you change it."""
    folder = tmp_path_factory.mktemp("sound")
    meshes = make_meshes(folder / "meshes", "Ärztin 1", "P2")
    with pytest.MonkeyPatch.context() as patch:
        use_fake(patch, folder, "real")
        request = RenderRequest(str(folder / "set"), (meshes,), workers=1, look=Look(image_size=16))
        render_dataset(request, NoProgress())
    return folder / "set"
