"""The worker's private pipes: claimed before anything else can print or read there."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from teethscape import protocol


class Channel:
    """Sends messages from any thread, one whole line at a time."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: protocol.Message) -> None:
        """Send a message; a client that is gone is noticed by the reader of stdin."""
        line = protocol.encode(message)
        with self._lock:
            try:
                self._stream.write(line)
                self._stream.flush()
            except OSError:
                return


def claim_stdout() -> Channel:
    """Take file descriptor 1 for messages and let stray prints go to stderr.

    C libraries and progress bars write to descriptor 1 directly, so the descriptor
    itself is exchanged, not only ``sys.stdout``.
    """
    sys.stdout.flush()
    private = os.dup(1)
    os.dup2(2, 1)
    _make_binary(private)
    return Channel(os.fdopen(private, "wb"))


def claim_stdin() -> Iterator[bytes]:
    """Take file descriptor 0 for orders; libraries and children find an empty one.

    Yields:
        Whole lines; a line without an end is dropped with the pipe. The descriptor is
        read without Python's buffer, whose lock would still be held by the reading
        thread when the interpreter ends.
    """
    private = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    _make_binary(private)
    return _lines(private)


def _lines(descriptor: int) -> Iterator[bytes]:
    rest = b""
    while chunk := os.read(descriptor, 65536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > protocol.MAX_LINE_BYTES:
            yield rest  # far too long: the protocol refuses it
            rest = b""


def _make_binary(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(descriptor, os.O_BINARY)
