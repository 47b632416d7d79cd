"""One job at a time per case: a lock that dies with its process.

The operating system holds the lock on an open file, so `kill -9` or a power cut
releases it; there is no stale lock to clean up.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from teethscape.errors import BadInputError

#: The locked byte lies behind the text, so that others may read the text on Windows too.
_LOCKED_BYTE = 1 << 20


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file while the block runs.

    Raises:
        BadInputError: another live process works on the case.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        if not _try_lock(stream):
            raise _busy(path)
        try:
            stream.truncate(0)
            stream.write(f"{os.getpid()}\n".encode())
            stream.flush()
            yield
        finally:
            with suppress(OSError):
                stream.truncate(0)
            _unlock(stream)


def _busy(path: Path) -> BadInputError:
    with suppress(OSError, UnicodeDecodeError):
        owner = path.read_text("ascii").strip()
        if owner:
            return _busy_error(path, f" (process {owner})")
    return _busy_error(path, "")


def _busy_error(path: Path, owner: str) -> BadInputError:
    return BadInputError(
        "case_locked",
        f"Another job{owner} is working on {path.parent.parent}.",
        "Wait until it has finished, cancel it, or choose another output folder.",
    )


if sys.platform == "win32":
    import msvcrt

    def _try_lock(stream: BinaryIO) -> bool:
        stream.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(stream: BinaryIO) -> None:
        stream.seek(_LOCKED_BYTE)
        with suppress(OSError):
            msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(stream: BinaryIO) -> bool:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks (some network shares): better unlocked than unusable
        return True

    def _unlock(stream: BinaryIO) -> None:
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_UN)
