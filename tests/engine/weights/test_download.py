"""Downloads over connections that break, through proxies, onto full disks."""

from __future__ import annotations

import errno
import hashlib
import os

import pytest

from teethscape.errors import CancelledError, ExitCode, ResourceError
from teethscape.weights import download as module
from teethscape.weights.download import Wanted, download

from .loopback import FileServer, serving

CONTENT = bytes(range(256)) * 12_000  # 3 MB
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(module, "PAUSE_S", 0.0)


@pytest.fixture
def server():
    with serving(FileServer(CONTENT)) as running:
        yield running


def _wanted(server, folder, sha=SHA):
    return Wanted([server.url], sha, folder / "Gewichte ü" / "weights.pth")


def _ignore(done, total):
    """Nobody watches."""


def test_a_file_arrives_whole_with_progress(server, tmp_path):
    seen = []
    wanted = _wanted(server, tmp_path)
    download(wanted, lambda done, total: seen.append((done, total)))
    assert wanted.target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert sorted(p.name for p in wanted.target.parent.iterdir()) == ["weights.pth"]


def test_a_lost_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.cuts = [1_000_000, 500_000]
    wanted = _wanted(server, tmp_path)
    download(wanted, _ignore)
    assert wanted.target.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ["", "bytes=1000000-", "bytes=1500000-"]


def test_cancelling_keeps_what_came_and_the_next_run_continues(server, tmp_path):
    wanted = _wanted(server, tmp_path)

    def stop(done, total):
        if done >= 1 << 20:
            raise CancelledError

    with pytest.raises(CancelledError):
        download(wanted, stop)
    kept = wanted.part.stat().st_size
    assert 0 < kept < len(CONTENT)
    download(wanted, _ignore)
    assert server.asked[-1][1] == f"bytes={kept}-"
    assert wanted.target.read_bytes() == CONTENT


@pytest.mark.parametrize("change", ["tag", "no_ranges"])
def test_a_changed_file_or_a_simple_server_begins_anew(server, tmp_path, change):
    wanted = _wanted(server, tmp_path)
    server.cuts = [1000] * 9
    with pytest.raises(ResourceError):
        download(wanted, _ignore)
    server.cuts = []
    if change == "tag":
        server.tag, server.content = '"two"', CONTENT[::-1]
        wanted = _wanted(server, tmp_path, hashlib.sha256(server.content).hexdigest())
    else:
        server.ranges = False
    download(wanted, _ignore)
    assert wanted.target.read_bytes() == server.content


def test_a_part_that_is_already_whole_is_not_loaded_again(server, tmp_path):
    wanted = _wanted(server, tmp_path)
    wanted.part.parent.mkdir()
    wanted.part.write_bytes(CONTENT)
    download(wanted, _ignore)
    assert wanted.target.read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    wanted = _wanted(server, tmp_path, "0" * 64)
    with pytest.raises(ResourceError, match="checksum") as caught:
        download(wanted, _ignore)
    assert caught.value.code == "download_damaged"
    assert list(wanted.target.parent.iterdir()) == []


def test_a_missing_file_tells_the_reason_and_the_way_out(server, tmp_path):
    server.status = 404
    with pytest.raises(ResourceError, match="404") as caught:
        download(_wanted(server, tmp_path), _ignore)
    assert caught.value.exit_code is ExitCode.OUT_OF_RESOURCES
    assert "weights import" in caught.value.advice


def test_the_next_address_is_tried(server, tmp_path):
    wanted = Wanted(["http://127.0.0.1:9/weights.pth", server.url], SHA, tmp_path / "weights.pth")
    download(wanted, _ignore)
    assert wanted.target.read_bytes() == CONTENT


def test_the_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    wanted = Wanted(["http://weights.invalid/sam.pth"], SHA, tmp_path / "weights.pth")
    download(wanted, _ignore)
    assert server.asked[0][0] == "http://weights.invalid/sam.pth"
    assert wanted.target.read_bytes() == CONTENT


def test_a_full_disk_is_told_and_keeps_the_part(server, tmp_path, monkeypatch):
    wanted = _wanted(server, tmp_path)

    def full(done, total):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ResourceError) as caught:
        download(wanted, full)
    assert caught.value.code == "disk_full"
    assert wanted.part.stat().st_size > 0
