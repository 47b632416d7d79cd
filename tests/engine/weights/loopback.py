"""A file server on this machine that can lose connections and speak as a proxy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What it serves and what it was asked.

    Attributes:
        content: the file, under every path.
        tag: its version.
        cuts: bytes after which each of the next answers breaks off.
        ranges: whether it knows ranges.
        status: another answer than the file.
        asked: path and range of every request.
    """

    content: bytes
    tag: str = '"one"'
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    status: int = 200
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/weights.pth"


@contextmanager
def serving(server: FileServer) -> Iterator[FileServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, server)

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        http.shutdown()
        thread.join()


def _answer(request: BaseHTTPRequestHandler, server: FileServer) -> None:
    wanted = request.headers.get("Range", "")
    server.asked.append((request.path, wanted))
    if server.status != 200:
        request.send_error(server.status)
        return
    begin = 0
    same = request.headers.get("If-Range") in (None, server.tag)
    if wanted and server.ranges and same:
        begin = int(wanted.removeprefix("bytes=").rstrip("-"))
    if begin and begin >= len(server.content):
        request.send_response(416)
        request.send_header("Content-Range", f"bytes */{len(server.content)}")
        request.end_headers()
        return
    rest = server.content[begin:]
    request.send_response(206 if begin else 200)
    if begin:
        request.send_header("Content-Range", f"bytes {begin}-{len(server.content) - 1}/{len(server.content)}")
    request.send_header("Content-Length", str(len(rest)))
    request.send_header("ETag", server.tag)
    request.end_headers()
    cut = server.cuts.pop(0) if server.cuts else len(rest)
    request.wfile.write(rest[:cut])
    request.wfile.flush()
    if cut < len(rest):
        request.connection.close()
