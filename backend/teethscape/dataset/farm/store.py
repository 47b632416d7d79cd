"""Where finished cases go: a folder, or an S3-style URL through fsspec."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from teethscape.dental.files import TEMPORARY_SUFFIX, link_or_copy, storage_errors, write_bytes
from teethscape.errors import MissingComponentError, UsageError

#: Stores whose single write is all or nothing, so that no temporary name is needed.
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "az", "oss", "memory"}


class Store(Protocol):
    """A tree of files with names such as ``target/P1_norm_upper_front/000.png``."""

    @property
    def place(self) -> str:
        """Where it is, for messages and other processes."""
        ...

    def read(self, name: str) -> bytes | None:
        """A file's content; None when it is absent."""
        ...

    def size(self, name: str) -> int | None:
        """A file's size in bytes; None when it is absent."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names of all files below a folder, sorted; temporary ones are left out."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Replace a file at once."""
        ...

    def take(self, name: str, source: Path) -> None:
        """Replace a file at once by a local one, which may be gone afterwards."""
        ...

    def repeat(self, name: str, known: str) -> None:
        """Give a file that is in the store a second name, at once and without a second upload."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file if it exists."""
        ...


class LocalStore:
    """A store in a folder of this machine, or of a disk that many machines share."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.root)

    def read(self, name: str) -> bytes | None:
        """A file's content; None when it is absent."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def size(self, name: str) -> int | None:
        """A file's size in bytes; None when it is absent."""
        try:
            return (self.root / name).stat().st_size
        except OSError:
            return None

    def names(self, folder: str) -> list[str]:
        """Names of all files below a folder, sorted; temporary ones are left out."""
        found: list[str] = []
        for parent, _, files in os.walk(self.root / folder):
            base = Path(parent).relative_to(self.root)
            found += [(base / file).as_posix() for file in files if not file.endswith(TEMPORARY_SUFFIX)]
        return sorted(found)

    def write(self, name: str, data: bytes) -> None:
        """Replace a file at once."""
        write_bytes(self.root / name, data)

    def take(self, name: str, source: Path) -> None:
        """Replace a file at once: by a rename on the same disk, else by a copy."""
        target = self.root / name
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.stat().st_dev == target.parent.stat().st_dev:
                source.replace(target)
                return
            half = target.with_name(f".{target.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
            shutil.copyfile(source, half)
            half.replace(target)

    def repeat(self, name: str, known: str) -> None:
        """Give a file a second name: a hard link where the disk can, else a copy."""
        link_or_copy(self.root / known, self.root / name)

    def remove(self, name: str) -> None:
        """Delete a file if it exists."""
        with suppress(FileNotFoundError):
            (self.root / name).unlink()


class UrlStore:
    """A store behind a URL that fsspec understands, such as ``s3://bucket/set``.

    Raises:
        MissingComponentError: fsspec, or its part for this kind of URL, is not installed.
        UsageError: fsspec does not know this kind of URL.
    """

    def __init__(self, url: str) -> None:
        self._files, self._root = _filesystem(url)
        self._url = url.rstrip("/")
        names = self._files.protocol
        self._whole_writes = bool(_OBJECT_STORES & set((names,) if isinstance(names, str) else names))

    @property
    def place(self) -> str:
        """The URL."""
        return self._url

    def read(self, name: str) -> bytes | None:
        """A file's content; None when it is absent."""
        try:
            return self._files.cat_file(self._path(name))
        except FileNotFoundError:
            return None

    def size(self, name: str) -> int | None:
        """A file's size in bytes; None when it is absent."""
        try:
            return int(self._files.info(self._path(name))["size"])
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """Names of all files below a folder, sorted; temporary ones are left out."""
        found = self._files.find(self._path(folder))
        start = len(self._root.rstrip("/")) + 1
        return sorted(path[start:] for path in found if not path.endswith(TEMPORARY_SUFFIX))

    def write(self, name: str, data: bytes) -> None:
        """Replace a file at once."""
        path = self._path(name)
        half = path if self._whole_writes else f"{path}.{os.getpid()}{TEMPORARY_SUFFIX}"
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(half, data)
        if half != path:
            self._files.mv(half, path)

    def take(self, name: str, source: Path) -> None:
        """Replace a file at once by a copy of a local one."""
        self.write(name, source.read_bytes())

    def repeat(self, name: str, known: str) -> None:
        """Give a file a second name: a copy on the server's side."""
        self._files.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)
        self._files.cp_file(self._path(known), self._path(name))

    def remove(self, name: str) -> None:
        """Delete a file if it exists."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def _filesystem(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise _missing(url, "fsspec") from error
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:  # for instance s3fs, which s3:// needs
        raise _missing(url, error.name or str(error)) from error
    except ValueError as error:
        raise UsageError(
            "usage", f"{url} cannot be used ({error}).", "Give a folder or an s3:// URL."
        ) from error


def _missing(url: str, name: str) -> MissingComponentError:
    advice = "Run in the engine's environment: python -m pip install 'teethscape[farm]' s3fs"
    return MissingComponentError("fsspec_missing", f"{url} needs a library ({name}).", advice)


def is_url(place: str) -> bool:
    """True for what is no folder of this machine."""
    return "://" in place


def open_store(place: str) -> Store:
    """The store at a folder or URL."""
    return UrlStore(place) if is_url(place) else LocalStore(Path(place))
