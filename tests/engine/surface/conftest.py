"""Where the fixtures of the published programs lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def published(request) -> Path:
    """The TeethDreamer fixtures: ``TEETHSCAPE_FIXTURES``, else those of the shared folder."""
    named = os.environ.get("TEETHSCAPE_FIXTURES")
    folder = Path(named) if named else request.getfixturevalue("shared") / "fixtures" / "teethdreamer"
    if not folder.is_dir():
        pytest.skip(f"needs the TeethDreamer fixtures: {folder} is absent")
    return folder
