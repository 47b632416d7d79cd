"""Import modules of the extension that need no Blender."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def part() -> Callable[[str], ModuleType]:
    """Import a module of the extension by its name below the root."""
    if "load_package" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "load_package", ROOT / "render_scripts" / "load_package.py"
        )
        sys.modules["load_package"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["load_package"])
    package = sys.modules["load_package"].load_package()
    return lambda name: importlib.import_module(f"{package.__name__}.{name}")
