"""A client of the fake worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client import EngineClient, EngineLaunch, JobStore, Patience

FAKE_WORKER = Path(__file__).resolve().parents[1] / "fake_worker.py"
#: Short limits, so that tests of time limits take tenths of seconds.
HASTY = Patience(
    greeting_s=5.0, cancel_s=0.3, terminate_s=0.3, silent_s=0.15, stuck_s=0.3, restart_s=0.05, restarts=2
)

MakeClient = Callable[..., EngineClient]


def launch(folder: Path, *arguments: str) -> EngineLaunch:
    command = (sys.executable, "-X", "utf8", "-u", str(FAKE_WORKER), *arguments)
    return EngineLaunch(command, dict(os.environ), folder / "run", folder / "logs" / "worker.log")


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[MakeClient]:
    """Clients in a folder with a space and letters beyond ASCII; all are shut down at the end."""
    made: list[EngineClient] = []
    root = tmp_path / "Zähne und мост"

    def make(mode: str, *more: str, patience: Patience = HASTY) -> EngineClient:
        client = EngineClient(launch(root, "--mode", mode, *more), JobStore(root / "jobs"), patience=patience)
        made.append(client)
        return client

    yield make
    for client in made:
        client.shutdown(5.0)


@pytest.fixture
def request_json(tmp_path: Path) -> dict[str, str]:
    return {"photos": str(tmp_path / "photos"), "output": str(tmp_path / "case ü")}
