"""Downloads that go on where they stopped (HTTP ranges), check themselves and can be cancelled.

Proxies come from the environment (``HTTPS_PROXY``, ``NO_PROXY``) or the system's settings,
as Python's standard library reads them.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from teethscape.dental.files import storage_errors, write_json
from teethscape.errors import ResourceError
from teethscape.weights.plain_json import read_object
from teethscape.weights.store import file_sha256

_BLOCK = 1 << 20
#: Seconds without a byte before a connection counts as lost.
TIMEOUT_S = 30.0
#: How often a lost connection is taken up again, and the pause before that, seconds.
RETRIES, PAUSE_S = 4, 1.0
#: What a lost connection looks like; failures of the disk have become errors of ours before.
_LOST = (http.client.HTTPException, OSError)


class Watcher(Protocol):
    """Whom a download tells how far it is; raising from it stops the download."""

    def __call__(self, done: int, total: int) -> None:
        """Bytes that are there, and bytes in all (0 when unknown)."""


@dataclass(frozen=True)
class Wanted:
    """What to download.

    Attributes:
        urls: addresses of the same file, tried in this order.
        sha256: its checksum, or None.
        target: where it goes; until it is whole and right, ``TARGET.part`` is there.
    """

    urls: Sequence[str]
    sha256: str | None
    target: Path

    @property
    def part(self) -> Path:
        """The unfinished file."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def tag(self) -> Path:
        """What the server said of the unfinished file."""
        return self.target.with_name(self.target.name + ".part.json")


class _LostError(Exception):
    """The connection was lost on the way; what came is kept."""


def download(wanted: Wanted, watch: Watcher) -> None:
    """Download a file; what an earlier attempt left is continued.

    Raises:
        ResourceError: no address answers, the connection is lost again and again, the
            disk is full, or the checksum is wrong.
    """
    reasons = []
    for url in wanted.urls:
        try:
            _persist(url, wanted, watch)
        except _LostError as error:
            reasons.append(f"{_host(url)}: {error}")
            continue
        _check(wanted)
        return
    raise ResourceError(
        "download_failed",
        f"{wanted.target.name} could not be downloaded ({'; '.join(reasons)}).",
        "Check the network or the proxy and run the same command again: it continues. "
        "Or download the file elsewhere and run: teethscape weights import FILE",
    )


def _persist(url: str, wanted: Wanted, watch: Watcher) -> None:
    """Take a lost connection up again a few times."""
    for attempt in range(RETRIES + 1):
        before = _size(wanted.part)
        try:
            _continue(url, wanted, watch)
        except _LostError:
            progressed = _size(wanted.part) > before
            if attempt == RETRIES or not (progressed or attempt == 0):
                raise
            time.sleep(PAUSE_S)
        else:
            return


def _continue(url: str, wanted: Wanted, watch: Watcher) -> None:
    """One connection, from where the unfinished file ends."""
    with storage_errors(wanted.part):
        wanted.part.parent.mkdir(parents=True, exist_ok=True)
    begin = _size(wanted.part)
    try:
        with _opened(url, begin, _tag(wanted, url)) as answer:
            _receive(answer, url, wanted, watch)
    except urllib.error.HTTPError as error:
        if error.code == 416 and begin:  # the file has no such bytes: it is whole, or another one
            _forget_unless_whole(error, wanted, begin)
            return
        raise _LostError(f"{error.code} {error.reason}") from error
    except _LOST as error:
        raise _LostError(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _opened(url: str, begin: int, tag: str) -> Any:
    headers = {"User-Agent": "teethscape", "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
        if tag:
            headers["If-Range"] = tag
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - addresses come from our list or the user
    # A fresh opener reads the proxies anew; the library's own keeps those of its first call.
    return urllib.request.build_opener().open(request, timeout=TIMEOUT_S)


def _receive(answer: Any, url: str, wanted: Wanted, watch: Watcher) -> None:
    """Add what arrives to the unfinished file, or begin it anew when the server starts over."""
    begin = _size(wanted.part)
    if answer.status != 206 or not _continues(answer, begin):
        begin = 0
    length = int(answer.headers.get("Content-Length") or 0)
    total = begin + length if length else 0
    with storage_errors(wanted.part), wanted.part.open("ab" if begin else "wb") as stream:
        write_json(wanted.tag, {"url": url, "tag": _server_tag(answer)})
        done = begin
        while block := answer.read(_BLOCK):
            stream.write(block)
            done += len(block)
            watch(done, total)
    if total and done < total:
        raise _LostError(f"the connection ended after {done / 1e6:.0f} of {total / 1e6:.0f} MB")


def _continues(answer: Any, begin: int) -> bool:
    return str(answer.headers.get("Content-Range", "")).startswith(f"bytes {begin}-")


def _server_tag(answer: Any) -> str:
    """A strong mark of the file's version, by which the server knows whether we may continue."""
    mark = str(answer.headers.get("ETag") or "")
    return "" if mark.startswith("W/") else mark or str(answer.headers.get("Last-Modified") or "")


def _tag(wanted: Wanted, url: str) -> str:
    content = read_object(wanted.tag)
    return str(content.get("tag", "")) if content.get("url") == url else ""


def _forget_unless_whole(error: urllib.error.HTTPError, wanted: Wanted, begin: int) -> None:
    if str(error.headers.get("Content-Range", "")) != f"bytes */{begin}":
        wanted.part.unlink()
        raise _LostError("the file on the server has changed") from error


def _check(wanted: Wanted) -> None:
    """Compare the checksum and give the file its name."""
    if wanted.sha256 is not None and file_sha256(wanted.part) != wanted.sha256:
        _remove(wanted)
        raise ResourceError(
            "download_damaged",
            f"{wanted.target.name} arrived with a wrong checksum and was deleted.",
            "Run the same command again; if it happens twice, the network alters the file: "
            "download it elsewhere and run teethscape weights import FILE.",
        )
    with storage_errors(wanted.target):
        wanted.part.replace(wanted.target)
        wanted.tag.unlink(missing_ok=True)


def _remove(wanted: Wanted) -> None:
    for path in (wanted.part, wanted.tag):
        with suppress(OSError):
            path.unlink()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc
