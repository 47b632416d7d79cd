"""Half-done cases: a folder per run, so that a killed run's orphans cannot write into the next.

A Blender whose driver was killed may finish its picture. It knows the old run's folder by
name only, and the next run has moved everything out of it before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from teethscape.dental.files import TEMPORARY_SUFFIX, write_json

_RUN = "run-"
_KEY, _COMMIT = ".key.json", ".commit.json"


class Scratch:
    """The scratch folder of a run; the caller holds the lock.

    Args:
        folder: where runs keep their half-done cases.
    """

    def __init__(self, folder: Path) -> None:
        self._run = folder / f"{_RUN}{uuid.uuid4().hex[:12]}"
        self._run.mkdir(parents=True)
        for old in sorted(folder.glob(f"{_RUN}*")):
            if old != self._run:
                self._inherit(old)

    def stage(self, uid: str, key: str) -> Stage:
        """The folder of a case; what another look left in it is thrown away."""
        return Stage(self._run / uid, key)

    def remove_if_empty(self) -> None:
        """Delete the run's folder unless half-done cases are in it."""
        with suppress(OSError):
            self._run.rmdir()

    def _inherit(self, old: Path) -> None:
        """Take over the half-done cases of a run that was killed."""
        for stage in sorted(old.iterdir()):
            with suppress(OSError):
                stage.rename(self._run / stage.name)
        shutil.rmtree(old, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Delete what killed runs and their orphans left, when nothing is missing any more."""
    for old in folder.glob(f"{_RUN}*"):
        shutil.rmtree(old, ignore_errors=True)


class Stage:
    """The folder in which one case is rendered, with notes on what is complete.

    Args:
        folder: made if absent.
        key: what the files depend on; another one empties the folder.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        if folder.exists() and _read(folder / _KEY) != {"key": key}:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _KEY, {"key": key})

    def is_done(self, part: str) -> bool:
        """True when a part was rendered completely."""
        return (self.folder / f".done-{part}").exists()

    def mark_done(self, part: str) -> None:
        """Note that a part is complete."""
        (self.folder / f".done-{part}").touch()

    def empty(self, folders: Iterable[str]) -> None:
        """Throw away a part that came out incomplete."""
        for name in folders:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def files(self, folders: Iterable[str]) -> list[str]:
        """Names of the files below some folders; temporary and hidden ones are left out."""
        found = (path for name in folders for path in (self.folder / name).rglob("*") if path.is_file())
        names = (path.relative_to(self.folder).as_posix() for path in found)
        return sorted(n for n in names if "/." not in n and not n.endswith(TEMPORARY_SUFFIX))

    def plan(self, manifest: dict[str, Any]) -> None:
        """Note the finished case's manifest; from here on it is only moved, not rendered."""
        write_json(self.folder / _COMMIT, manifest)

    def planned(self) -> dict[str, Any] | None:
        """The manifest of a case whose move was interrupted."""
        return _read(self.folder / _COMMIT)

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        state = hashlib.sha256()
        while block := stream.read(1 << 20):
            state.update(block)
        return state.hexdigest()
