"""Blender as a Python module: skip where the wheel is absent."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "render_scripts"))

collect_ignore_glob = []
try:
    import bpy
except ImportError:
    collect_ignore_glob = ["test_[!w]*.py"]  # test_with_wheel.py runs them where the wheel is


@pytest.fixture(scope="session")
def part() -> Callable[[str], ModuleType]:
    """Import a module of the registered extension by its name below the root."""
    from load_package import load_package

    package = load_package()
    entry = bpy.context.preferences.addons.new()
    entry.module = package.__name__
    package.register()
    return lambda name: importlib.import_module(f"{package.__name__}.{name}" if name else package.__name__)


@pytest.fixture
def scene(part: Callable[[str], ModuleType]) -> object:
    """An empty scene."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return bpy.context.scene


@pytest.fixture
def own_runtime(part: Callable[[str], ModuleType], tmp_path: Path) -> Iterator[ModuleType]:
    """A fresh runtime in folders of its own; what panels read is empty again afterwards."""
    addon, runtime = part("preferences").preferences(), part("session.runtime")
    addon.engine_folder, addon.cases_folder = str(tmp_path / "Motor ü"), str(tmp_path / "Fälle")
    runtime.end_runtime()
    yield runtime
    runtime.end_runtime()
    view_state = part("session.view_state")
    view_state.state.__dict__.update(view_state.ViewState().__dict__)
    addon.engine_folder = addon.cases_folder = ""


@pytest.fixture(scope="session")
def case_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished case."""
    from case_factory import make_case

    return make_case(tmp_path_factory.mktemp("case") / "Fall Müller 1")
