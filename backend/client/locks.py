"""A lock between processes that does not outlive its owner."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from .files import read_json
from .platform_support import process_start
from .problems import ClientError, Problem


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs.

    The file names its owner by process id and start time; the lock of a process that
    is no more (killed, or the machine restarted) counts for nothing.

    Raises:
        ClientError: another living process holds the lock.
    """
    while not _take(path):
        if _held(path):
            message, advice = "Another Blender is installing the engine.", "Wait until it has finished."
            raise ClientError(Problem("engine_locked", message, advice, 6, True))
        path.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _take(path: Path) -> bool:
    """Create the file with its content in one step; False when there is one already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f"{path.name}.{os.getpid()}")
    owner = {"pid": os.getpid(), "start": process_start(os.getpid())}
    whole.write_text(json.dumps(owner), "utf-8")
    try:
        os.link(whole, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        return _take_without_links(path, whole)
    finally:
        whole.unlink(missing_ok=True)
    return True


def _take_without_links(path: Path, whole: Path) -> bool:
    try:
        with path.open("x", encoding="utf-8") as lock:
            lock.write(whole.read_text("utf-8"))
    except FileExistsError:
        return False
    return True


def _held(path: Path) -> bool:
    """Whether the owner named in a lock file still lives."""
    owner = read_json(path)
    if owner is None or not isinstance(owner.get("pid"), int):
        return False
    start = process_start(owner["pid"])
    return start is not None and start == owner.get("start")
