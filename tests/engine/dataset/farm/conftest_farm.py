"""What tests of the farm share; a module of its own, so that child processes can import it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from teethscape.dataset.farm import render
from teethscape.dataset.farm.blender_worker import WorkerLaunch
from teethscape.dataset.farm.request import RenderRequest

FAKE = Path(__file__).parent / "fake_blender.py"


def use_fake(patch: pytest.MonkeyPatch, folder: Path, mode: str, start_s: float = 20.0) -> None:
    """Let the farm start `fake_blender.py` in a mode."""
    options = ("--mode", mode, "--memory", str(folder / "memory"), "--count", str(folder / "count"))

    def launcher(request: RenderRequest, threads: int) -> Callable[[int], WorkerLaunch]:
        command = (sys.executable, "-X", "utf8", "-u", str(FAKE), *options)
        return lambda k: WorkerLaunch(command, None, {}, start_s, request.stall_s, threads)

    patch.setattr(render, "launcher", launcher)


def make_meshes(folder: Path, *patients: str) -> Path:
    """Files that are named like the meshes of both jaws."""
    for patient in patients:
        for jaw in ("upper", "lower"):
            path = folder / patient / f"norm_{jaw}.ply"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{patient} {jaw}", "utf-8")
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Digest of every file of a data set; logs and scratch are not part of it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in ("log", ".work")
    }
