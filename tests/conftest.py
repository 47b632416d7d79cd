"""Where tests find the shared folder, and fixtures used by every ring."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real cases and fixtures, or skip with the reason."""
    folder = Path(os.environ.get("TEETHSCAPE_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the shared folder (TEETHSCAPE_SHARED): {folder} is absent")
    return folder
