"""The small case as fixtures."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_SPEC = importlib.util.spec_from_file_location("small_case", Path(__file__).with_name("small_case.py"))


@pytest.fixture(scope="session")
def small() -> ModuleType:
    """The module that makes small cases."""
    assert _SPEC is not None
    assert _SPEC.loader is not None
    module = importlib.util.module_from_spec(_SPEC)
    _SPEC.loader.exec_module(module)
    return module


@pytest.fixture
def engine(small, monkeypatch) -> ModuleType:
    """The quick stand-in for the fit; its ``fit_case`` may be replaced."""
    monkeypatch.setitem(sys.modules, "teethscape.parametric.engine", ModuleType("placeholder"))
    return small.install()
