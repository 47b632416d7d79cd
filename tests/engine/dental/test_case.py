"""The case folder: whole files only, one job at a time, and resumable."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from teethscape.dental import files
from teethscape.dental.case import CaseFolder, read_record, schema
from teethscape.dental.files import atomic_writer, write_bytes, write_json
from teethscape.dental.journal import Journal
from teethscape.dental.schema import problems
from teethscape.errors import BadInputError, ExitCode, ResourceError


def record() -> dict:
    return {
        "status": "running",
        "scale": None,
        "request": {
            "engine": "parametric",
            "jaws": "both",
            "seed": 0,
            "mask_values": "fdi",
            "known_lengths": [],
        },
        "versions": {"teethscape": "0"},
        "photos": {},
        "cameras": {},
        "teeth": [],
        "notices": [],
        "metrics": {},
    }


def test_record_round_trip(tmp_path):
    case = CaseFolder(tmp_path / "Fälle" / "case 1")
    with case.locked():
        case.write_record(record())
    read = case.read_record()
    assert read["unit"] == "mm"
    assert read["frame"]["x"] == "patient left"
    assert problems(read, schema()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "finished"}, "status"),
        ({"scale": {"source": "guess", "relative_sigma": 0.1, "factor": 1}}, "source"),
        ({"teeth": [{"fdi": 11}]}, "present is missing"),
        ({"cameras": {"7": {}}}, "7 is not known"),
        ({"extra": 1}, "extra is not known"),
    ],
)
def test_schema_catches(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        CaseFolder(tmp_path).write_record({**record(), **change})
    assert not (tmp_path / "case.json").exists()


@pytest.mark.parametrize(
    ("value", "rule", "fits"),
    [
        (True, {"type": "integer"}, False),
        (3, {"type": ["number", "null"], "maximum": 2}, False),
        (0, {"exclusiveMinimum": 0}, False),
        ([1, 2], {"type": "array", "maxItems": 1}, False),
        ({"a": 1}, {"additionalProperties": False}, False),
        ({"a": 1}, {"patternProperties": {"^a": {"type": "string"}}}, False),
        ({"a": [1.5]}, {"properties": {"a": {"items": {"type": "number"}}}, "required": ["a"]}, True),
    ],
)
def test_schema_keywords(value, rule, fits):
    assert (problems(value, rule) == []) is fits


def test_unknown_schema_keyword_is_not_ignored():
    with pytest.raises(ValueError, match="oneOf"):
        problems(1, {"oneOf": []})


def test_newer_case_is_refused_untouched(tmp_path):
    write_json(tmp_path / "case.json", {"format": "teethscape-case", "schema_version": 99})
    before = (tmp_path / "case.json").read_bytes()
    with pytest.raises(BadInputError) as caught, CaseFolder(tmp_path).locked():
        pass
    assert caught.value.code == "case_newer"
    assert "Update" in caught.value.advice
    assert (tmp_path / "case.json").read_bytes() == before


def test_damaged_record_is_refused(tmp_path):
    (tmp_path / "case.json").write_text("{half")
    with pytest.raises(BadInputError) as caught:
        read_record(tmp_path / "case.json")
    assert caught.value.code == "case_damaged"


def test_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.docx").write_text("x")
    with pytest.raises(BadInputError) as caught, CaseFolder(tmp_path).locked():
        pass
    assert caught.value.code == "output_not_empty"
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]


def test_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for place in ("file", "file/case"):
        with pytest.raises(BadInputError) as caught:
            CaseFolder(tmp_path / place).check()
        assert caught.value.code == "output_not_folder"


def test_two_jobs_exclude_each_other(tmp_path):
    with CaseFolder(tmp_path).locked():
        with pytest.raises(BadInputError, match=str(os.getpid())) as caught, CaseFolder(tmp_path).locked():
            pass
        assert caught.value.code == "case_locked"
    with CaseFolder(tmp_path).locked():
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_job_leaves_no_lock_and_no_half_file(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from teethscape.dental.case import CaseFolder\n"
        "from teethscape.dental.files import atomic_writer\n"
        "case = CaseFolder(Path(sys.argv[1]))\n"
        "with case.locked(), atomic_writer(case.root / 'meshes' / 'upper.ply') as stream:\n"
        "    stream.write(b'half'); stream.flush(); print('writing', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"writing\n"
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    assert list((tmp_path / "meshes").glob(".*.part"))
    with CaseFolder(tmp_path).locked():
        assert list((tmp_path / "meshes").iterdir()) == []


def test_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_bytes(path, b"old")
    with pytest.raises(TypeError), atomic_writer(path) as stream:
        stream.write("not bytes")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "kind", "code", "exit_code"),
    [
        (errno.ENOSPC, ResourceError, "disk_full", ExitCode.OUT_OF_RESOURCES),
        (errno.EACCES, BadInputError, "output_not_writable", ExitCode.BAD_INPUT),
        (errno.EROFS, BadInputError, "output_not_writable", ExitCode.BAD_INPUT),
        (errno.EISDIR, BadInputError, "output_not_writable", ExitCode.BAD_INPUT),
    ],
)
def test_storage_errors_are_explained(tmp_path, monkeypatch, number, kind, code, exit_code):
    def refuse(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(kind) as caught:
        write_bytes(tmp_path / "a", b"x")
    assert caught.value.code == code
    assert caught.value.exit_code == exit_code
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_explained(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "a", tmp_path / "file" / "b" / "a"):
        with pytest.raises(BadInputError) as caught:
            write_bytes(path, b"x")
        assert caught.value.code == "output_not_writable"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where no folder can be made")
@pytest.mark.parametrize("path", [Path("/proc/x/a"), Path("/proc/x/y/a"), Path("/proc/a")], ids=str)
def test_a_place_where_no_folder_can_be_made_is_explained(path):
    with pytest.raises(BadInputError, match=r"/proc/.* cannot be written \(No such file") as caught:
        write_bytes(path, b"x")
    assert caught.value.code == "output_not_writable"


def test_a_name_that_is_too_long_is_explained(tmp_path):
    with pytest.raises(BadInputError, match="cannot be written") as caught:
        write_bytes(tmp_path / ("x" * 300) / "a", b"x")
    assert caught.value.code == "output_not_writable"
    with pytest.raises(BadInputError, match="cannot be written"):
        files.require_folder(tmp_path / ("x" * 300))


def test_a_file_that_is_missing_elsewhere_is_no_fault_of_the_output(tmp_path):
    with pytest.raises(FileNotFoundError), files.storage_errors(tmp_path / "out"):
        (tmp_path / "in" / "a.png").read_bytes()


def test_a_name_that_is_no_text_can_be_recorded(tmp_path):
    write_json(tmp_path / "a.json", {"name": os.fsdecode(b"Z\xe4hne.jpg")})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"name": "Z?hne.jpg"}


def test_too_little_space_is_refused_before_the_start(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ResourceError, match="1 MB are free") as caught:
        CaseFolder(tmp_path / "case").check()
    assert caught.value.code == "disk_full"
    assert not (tmp_path / "case").exists()


@pytest.mark.skipif(not Path("/dev/shm").is_dir() or os.geteuid() != 0, reason="needs a small file system")  # noqa: S108
def test_really_full_disk(tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)],  # noqa: S607
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(ResourceError):
            write_bytes(mount / "big", b"x" * 1_000_000)
        assert list(mount.iterdir()) == []
    finally:
        subprocess.run(["umount", str(mount)], check=True)  # noqa: S607


def test_journal_survives_a_torn_line(tmp_path):
    journal = Journal(tmp_path)
    (tmp_path / "a.txt").write_text("abc")
    journal.stage_started("fit", "k1")
    journal.stage_done("fit", "k1", [tmp_path / "a.txt"])
    path = tmp_path / "log" / "job.jsonl"
    with path.open("ab") as stream:
        stream.write(b'{"event": "stage_do')
    journal.append("note", text="after the crash")
    (tmp_path / "log" / "x").write_text("")
    assert [e["event"] for e in journal.events()] == ["stage_started", "stage_done", "note"]
    stage = journal.finished_stages()["fit"]
    assert stage.key == "k1"
    assert stage.is_whole(tmp_path)
    (tmp_path / "a.txt").write_text("ab")
    assert not stage.is_whole(tmp_path)
    journal.stage_started("fit", "k2")
    assert "fit" not in journal.finished_stages()


def test_journal_lines_are_json_with_time(tmp_path):
    Journal(tmp_path).append("warning", message="Zähne")
    event = json.loads((tmp_path / "log" / "job.jsonl").read_text("utf-8"))
    assert event["message"] == "Zähne"
    assert time.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ")
