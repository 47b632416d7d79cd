"""Makes the picture helpers importable as fixtures."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

_SPEC = importlib.util.spec_from_file_location("dental_pictures", Path(__file__).with_name("pictures.py"))


@pytest.fixture(scope="session")
def pictures() -> ModuleType:
    """The module of synthetic pictures."""
    assert _SPEC is not None
    assert _SPEC.loader is not None
    module = importlib.util.module_from_spec(_SPEC)
    _SPEC.loader.exec_module(module)
    return module
