"""Write files so that a crash, a full disk or `kill -9` leaves the old or the new file whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from teethscape.dental.fdi import object_name
from teethscape.errors import BadInputError, ResourceError

#: Temporary files carry this ending; the next run removes those that a crash left.
TEMPORARY_SUFFIX = ".part"
#: A case takes about 40 MB; below this much free space no job is started.
NEEDED_BYTES = 150_000_000
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if hasattr(errno, "EDQUOT") else {errno.ENOSPC, errno.EFBIG}
#: What reading an npz raises that is empty, torn, or a file of another kind.
NPZ_DAMAGES = (
    OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
#: Not allowed, or a file lies where a folder should be, or the other way round, or the name is too long.
_DENIED = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG,
}  # fmt: skip
#: A place that cannot be made: none below /proc, none with such a name. Elsewhere these are mistakes of ours.
_IMPOSSIBLE = {errno.ENOENT, errno.EINVAL}


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Open a binary stream whose content replaces ``path`` when the block succeeds.

    Raises:
        ResourceError: the disk is full.
        BadInputError: the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            _replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def _replace(temporary: Path, path: Path) -> None:
    """Rename over the target; on Windows a virus scanner may hold a new file for a moment."""
    for pause_s in (0.05, 0.2, 0.5) if os.name == "nt" else ():
        try:
            temporary.replace(path)
        except PermissionError:
            time.sleep(pause_s)
        else:
            return
    temporary.replace(path)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file's content at once."""
    with atomic_writer(path) as stream:
        stream.write(data)


def link_or_copy(source: Path, path: Path) -> None:
    """Give a file a second name at once: a hard link where the disk can, else a copy."""
    half = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        half.unlink(missing_ok=True)
        try:
            half.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, half)
        half.replace(path)
        half.unlink(missing_ok=True)  # replacing a link by itself does nothing


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file at once (UTF-8, one space of indent)."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    # Names of files may hold bytes that are no UTF-8: they are shown as "?".
    write_bytes(path, text.encode("utf-8", "replace") + b"\n")


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into errors that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(path) from error
        if error.errno in _DENIED or (error.errno in _IMPOSSIBLE and _is_about(error, path)):
            raise BadInputError(
                "output_not_writable",
                f"{path} cannot be written ({error.strerror}).",
                "Choose an output folder that you may write to.",
            ) from error
        raise
    except RuntimeError as error:
        # PyTorch hides what a stream says behind an error of its own.
        told = error.__context__
        if isinstance(told, OSError) and told.errno in _FULL:
            raise disk_full(path) from error
        raise


def _is_about(error: OSError, path: Path) -> bool:
    """Whether an error is about a place, its parents, or a temporary file beside it."""
    if not isinstance(error.filename, str):
        return False
    named = Path(error.filename)
    return named == path or named in path.parents or named.parent == path.parent


def disk_full(path: Path) -> ResourceError:
    """The refusal to go on without space."""
    return ResourceError(
        "disk_full",
        f"The disk is full: {path} cannot be written.",
        "Free some space or choose another output folder, then run the same command again to resume.",
    )


def require_folder(folder: Path) -> None:
    """Refuse a place where no folder can be made, because a file is in its way.

    Raises:
        BadInputError: it is a file, lies below one, or has a name that is too long.
    """
    with storage_errors(folder):
        base = nearest_existing(folder)
    if not base.is_dir():
        raise BadInputError("output_not_folder", f"{base} is a file.", "Choose another output folder.")


def require_file(path: Path) -> None:
    """Refuse a file to be read that is not there.

    Raises:
        BadInputError: it does not exist, or is a folder.
    """
    if not path.is_file():
        raise BadInputError("file_missing", f"{path} does not exist or is no file.", "Check the path.")


def refuse_folder(path: Path) -> None:
    """Refuse a file to be written that is a folder already, before any work.

    Raises:
        BadInputError: it is one.
    """
    if path.is_dir():
        raise BadInputError("output_not_writable", f"{path} is a folder.", "Give the file another name.")


def require_writable(path: Path, longest: str) -> None:
    """Refuse a file that cannot be written, before any work; what is missing of its folders stays so.

    Args:
        path: the file that is named where it cannot be.
        longest: the longest name that a file beside it will have.

    Raises:
        BadInputError: the folder is not to be written to, or the name is too long.
    """
    folder = nearest_existing(path.parent)
    probe = folder / f".{longest}.{os.getpid()}{TEMPORARY_SUFFIX}"
    with storage_errors(path):
        probe.touch()
        probe.unlink()


def require_space(folder: Path, needed: int = NEEDED_BYTES) -> None:
    """Refuse to start where a case would not fit.

    Raises:
        ResourceError: less than ``needed`` bytes are free.
    """
    free = shutil.disk_usage(nearest_existing(folder)).free
    if free < needed:
        raise ResourceError(
            "disk_full",
            f"Only {free / 1e6:.0f} MB are free for {folder}, a case needs {needed / 1e6:.0f} MB.",
            "Free some space or choose another output folder.",
        )


def nearest_existing(path: Path) -> Path:
    """The path itself, or the closest parent that exists."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of a run that was killed."""
    for path in folder.rglob(f".*{TEMPORARY_SUFFIX}"):
        with suppress(OSError):
            path.unlink()


def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace a file by what ``write`` puts into a binary stream."""
    with atomic_writer(path) as stream:
        write(stream)


def tooth_file(mesh: Path, fdi: int) -> Path:
    """Where the body of one tooth lies beside a jaw's mesh."""
    return mesh.parent / f"{mesh.stem}-teeth" / f"{object_name(fdi)}.ply"


def tooth_files(mesh: Path) -> dict[int, Path]:
    """The bodies of single teeth that lie beside a jaw's mesh, by FDI number."""
    folder = tooth_file(mesh, 11).parent
    return {int(path.stem[-2:]): path for path in sorted(folder.glob("FDI_[1-8][1-8].ply"))}
