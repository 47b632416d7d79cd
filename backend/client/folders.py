"""The engine's folder: everything that we create on the user's disk is below it."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files import read_json, write_json
from .problems import ClientError, Problem

_MARKER = "engine-folder.json"
#: Folders that we make, in the order of the disk usage table.
PARTS = ("envs", "models", "cache", "jobs", "logs")
_TRIES = 3


@dataclass(frozen=True)
class EngineFolder:
    """Names below the engine's root.

    Attributes:
        root: chosen by the caller (a preference).
    """

    root: Path

    @property
    def envs(self) -> Path:
        """Virtual environments, one folder per build."""
        return self.root / "envs"

    @property
    def models(self) -> Path:
        """Downloaded weights."""
        return self.root / "models"

    @property
    def cache(self) -> Path:
        """Temporary files of pip and the libraries."""
        return self.root / "cache"

    @property
    def jobs(self) -> Path:
        """What the client remembers of its jobs."""
        return self.root / "jobs"

    @property
    def logs(self) -> Path:
        """Logs of the installer and the worker."""
        return self.root / "logs"

    @property
    def install_lock(self) -> Path:
        """Held by the Blender that installs."""
        return self.root / "install.lock"

    def prepare(self) -> None:
        """Make the folders and the mark by which `remove` knows them as ours.

        Raises:
            ClientError: the folder cannot be written.
        """
        try:
            for part in PARTS:
                (self.root / part).mkdir(parents=True, exist_ok=True)
            if read_json(self.root / _MARKER) is None:
                write_json(self.root / _MARKER, {"made_by": "Teethscape", "format": 1})
        except OSError as error:
            message = f"The engine's folder {self.root} cannot be written ({error.strerror})."
            raise ClientError(Problem("engine_folder", message, "Choose another folder.", 6)) from error

    def is_ours(self) -> bool:
        """Whether we made this folder."""
        return (read_json(self.root / _MARKER) or {}).get("made_by") == "Teethscape"

    def contains(self, path: Path) -> bool:
        """Whether a path, links followed, lies below the root."""
        root = self.root.resolve()
        return root in path.resolve().parents

    def usage(self) -> dict[str, int]:
        """Bytes on disk below each part; takes a moment, so never call it while drawing."""
        return {part: _bytes_below(self.root / part) for part in PARTS}

    def remove(self, part: Path) -> None:
        """Delete a file or folder, if it is proven to be one of ours.

        Raises:
            ClientError: it lies outside, or the folder is not one that we made.
        """
        if not self.is_ours() or not self.contains(part):
            message = f"{part} is not inside an engine folder made by Teethscape."
            raise ClientError(Problem("not_ours", message, "Delete it by hand if you are sure.", 2))
        if part.is_symlink() or part.is_file():
            part.unlink()
        elif part.exists():
            _remove_tree(part)

    def remove_all(self) -> tuple[str, ...]:
        """Delete everything that we made.

        Returns:
            Names that are not ours and were left in place.
        """
        if not self.root.exists():
            return ()
        for part in PARTS:
            self.remove(self.root / part)
        strangers = tuple(
            sorted(e.name for e in self.root.iterdir() if e.name not in (_MARKER, "install.lock"))
        )
        for name in () if strangers else ("install.lock", _MARKER):
            (self.root / name).unlink(missing_ok=True)
        if not strangers:
            self.root.rmdir()
        return strangers


def free_bytes(folder: Path) -> int:
    """Free space on the volume that will hold a folder, which may not exist yet."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(existing).free


def _bytes_below(folder: Path) -> int:
    """Size of all files below a folder; hard links count once, symbolic ones not at all."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                status = (Path(parent) / name).lstat()
            except OSError:
                continue  # gone meanwhile
            mark = (status.st_dev, status.st_ino)
            if stat.S_ISREG(status.st_mode) and (status.st_nlink == 1 or mark not in seen):
                seen.add(mark)
                total += status.st_size
    return total


def _remove_tree(folder: Path) -> None:
    """Delete a tree; virus scanners on Windows may hold fresh files for a moment."""
    for attempt in range(_TRIES):
        try:
            shutil.rmtree(folder, onerror=_make_writable)
        except OSError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(0.5 * (attempt + 1))
        else:
            return


def _make_writable(function: Callable[[str], object], path: str, _: Any) -> None:
    """Delete a read-only entry after all, as `shutil.rmtree` asks for."""
    target = Path(path)
    if not target.exists() and not target.is_symlink():
        return
    target.parent.chmod(target.parent.stat().st_mode | stat.S_IRWXU)
    if not target.is_symlink():
        target.chmod(stat.S_IRWXU)
    function(path)
