"""An engine that only speaks, for a runtime of the extension."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

FAKE_WORKER = Path(__file__).resolve().parents[1] / "pure" / "fake_worker.py"


def speak(part: Callable[[str], ModuleType], folder: Path, mode: str, *engines: str) -> None:
    """Let engines of the runtime (``client``, ``farm`` ...) start the fake worker."""
    command = (sys.executable, "-X", "utf8", "-u", str(FAKE_WORKER), "--mode", mode)
    launch = part("backend.client").EngineLaunch(command, dict(os.environ), folder)
    for name in engines:
        getattr(part("session.runtime").runtime(), name)._launch = lambda: launch
