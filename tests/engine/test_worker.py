"""The real worker as a process; only the use case that it runs is replaced."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from client import EngineClient, EngineLaunch, JobState, JobStore, Patience
from client.platform_support import process_start
from teethscape import protocol
from teethscape.errors import BadInputError, CancelledError, RefusedError, ResourceError
from teethscape.progress import AnyStage, Stage
from teethscape.worker_job import JobProgress, error_message, stage_spans
from teethscape.worker_system import rss_bytes

#: A worker whose use case is the text below: it gets ``request`` and ``progress``.
_PROGRAM = """
import os, sys, time, types
from teethscape import errors, worker
from teethscape.progress import Stage
class Summary:
    def to_json(self):
        return {"teeth": 28}
def reconstruct(request, progress):
    %s
    return Summary()
fake = types.ModuleType("teethscape.reconstruct")
fake.reconstruct = reconstruct
sys.modules["teethscape.reconstruct"] = fake
worker.HEARTBEAT_S = 0.1
worker.ORPHAN_S = 0.3
sys.exit(worker.main(sys.argv[1:]))
"""

MakeClient = Callable[[str], EngineClient]


def command(use_case: str) -> tuple[str, ...]:
    return sys.executable, "-u", "-c", _PROGRAM % textwrap.dedent(use_case).strip().replace("\n", "\n    ")


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[MakeClient]:
    made: list[EngineClient] = []

    def make(use_case: str, *more: str) -> EngineClient:
        launch = EngineLaunch(
            (*command(use_case), *more), dict(os.environ), tmp_path, tmp_path / "worker.log"
        )
        made.append(EngineClient(launch, JobStore(tmp_path / "jobs"), patience=Patience(restarts=0)))
        return made[-1]

    yield make
    for client in made:
        client.shutdown(5.0)


@pytest.fixture
def request_json(tmp_path: Path) -> dict[str, str]:
    return {"photos": str(tmp_path), "output": str(tmp_path / "case")}


def test_a_job_reports_stages_warnings_and_its_result(
    make_client: MakeClient, request_json, tmp_path
) -> None:
    client = make_client("""
        progress.stage(Stage.PHOTOS, 0.5)
        progress.warn("third_molar", "Tooth 18 was left out.")
        progress.stage(Stage.FIT, 0.5, "halfway")
    """)
    seen = []
    view = client.wait(client.submit(request_json), seen.append, 20.0)
    assert view.state is JobState.DONE
    assert view.summary == {"teeth": 28}
    assert [warning.code for warning in view.warnings] == ["third_molar"]
    assert client.hello is not None
    assert "numpy" in client.hello.packages
    stages = [line["stage"] for line in map(json.loads, _events(tmp_path, view.id)) if line.get("stage")]
    assert stages == sorted(stages, key=[stage.value for stage in Stage].index)


def _events(tmp_path: Path, job: str) -> list[str]:
    return (tmp_path / "jobs" / job / "events.jsonl").read_text().splitlines()


def test_prints_of_libraries_do_not_disturb_the_protocol(
    make_client: MakeClient, request_json, tmp_path
) -> None:
    client = make_client("""
        print("a print", flush=True)
        os.write(1, b"a C library\\n")
        os.system("echo a child")
    """)
    assert client.wait(client.submit(request_json), timeout_s=20.0).state is JobState.DONE
    client.shutdown()
    log = (tmp_path / "worker.log").read_text()
    assert "a print" in log
    assert "a C library" in log
    assert "a child" in log


def test_cancel_is_heard_within_two_seconds(make_client: MakeClient, request_json) -> None:
    client = make_client("""
        for step in range(1000):
            progress.check_cancelled()
            progress.stage(Stage.FIT, step / 1000)
            time.sleep(0.02)
    """)
    job = client.submit(request_json)
    assert client.inbox.wait_until(lambda: client.job(job).stage == "fit", 10.0)
    start = time.monotonic()
    client.cancel(job)
    view = client.wait(job, timeout_s=10.0)
    assert view.state is JobState.CANCELLED
    assert time.monotonic() - start < 2.0
    assert client.pid is not None


def test_heartbeats_come_while_the_job_is_silent(make_client: MakeClient, request_json) -> None:
    client = make_client("time.sleep(1.5)")
    job = client.submit(request_json)
    assert client.inbox.wait_until(lambda: client.job(job).rss_bytes > 1_000_000, 10.0)
    assert client.job(job).silence_s < 1.0


@pytest.mark.parametrize(
    ("use_case", "code", "exit_code"),
    [
        (
            'raise errors.BadInputError("photo_unreadable", "3.jpg is broken.", "Save it again.")',
            "photo_unreadable",
            3,
        ),
        ('raise errors.RefusedError("milk_teeth", "Milk teeth.")', "milk_teeth", 5),
        ("raise MemoryError", "out_of_memory", 6),
        ('raise OSError(28, "No space left on device")', "disk_full", 6),
        ('raise ZeroDivisionError("oops")', "internal", 6),
        ("return object()", "internal", 6),
        ('open("9" * 5000)', "path_too_long", 3),
        ("import a_module_that_is_absent", "engine_incomplete", 4),
    ],
)
def test_failures_are_data_and_the_engine_lives_on(
    make_client: MakeClient, request_json, use_case: str, code: str, exit_code: int
) -> None:
    client = make_client(use_case)
    view = client.wait(client.submit(request_json), timeout_s=20.0)
    assert view.state is JobState.FAILED
    assert view.problem is not None
    assert (view.problem.code, view.exit_code) == (code, exit_code)
    assert ("Traceback" in view.problem.details) == (not use_case.startswith("raise errors."))
    assert client.state.value == "idle"


def test_unfit_requests_are_refused(make_client: MakeClient, request_json) -> None:
    client = make_client("pass")
    view = client.wait(client.submit({**request_json, "jaws": "middle"}), timeout_s=20.0)
    assert view.problem is not None
    assert (view.problem.code, view.exit_code) == ("bad_request", 2)


def _start(use_case: str, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*command(use_case), *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _next(process: subprocess.Popen[bytes], kind: type[protocol.Message]) -> protocol.Message:
    assert process.stdout is not None
    for line in process.stdout:
        message = protocol.decode(line)
        if isinstance(message, kind):
            return message
    raise AssertionError(f"no {kind.kind} came")


def _say(process: subprocess.Popen[bytes], raw: bytes | protocol.Message) -> None:
    assert process.stdin is not None
    process.stdin.write(raw if isinstance(raw, bytes) else protocol.encode(raw))
    process.stdin.flush()


def test_garbage_orders_are_survived_and_pings_answered() -> None:
    with _start("pass") as process:
        for raw in (b"\xff\n", b"{}\n", b'{"v":9,"t":"run"}\n', b'{"v":1,"t":"dance"}\n', protocol.Ping(41)):
            _say(process, raw)
        pong = _next(process, protocol.Pong)
        assert isinstance(pong, protocol.Pong)
        assert pong.nonce == 41
        assert pong.rss_bytes > 1_000_000
        _say(process, protocol.Shutdown())
        assert _next(process, protocol.Bye) == protocol.Bye("shutdown")
        assert process.wait(5) == 0


def test_a_second_job_is_turned_away(request_json) -> None:
    with _start("time.sleep(0.5)") as process:
        _say(process, protocol.Run("a", request_json))
        _say(process, protocol.Run("b", request_json))
        error = _next(process, protocol.Error)
        assert isinstance(error, protocol.Error)
        assert (error.job, error.code) == ("b", "engine_busy")
        result = _next(process, protocol.Result)
        assert isinstance(result, protocol.Result)
        assert result.job == "a"
        _say(process, protocol.Shutdown())


@pytest.mark.parametrize("use_case", ["time.sleep(60)", "while True: progress.stage(Stage.FIT, 0.1)"])
def test_the_end_of_blender_is_the_end_of_the_worker(use_case: str, request_json) -> None:
    with _start(use_case) as process:
        _say(process, protocol.Run("a", request_json))
        _next(process, protocol.Accepted)
        assert process.stdin is not None
        process.stdin.close()
        drain = threading.Thread(target=lambda: process.stdout and process.stdout.read(), daemon=True)
        drain.start()
        assert process.wait(5) == 0


def test_an_idle_worker_leaves() -> None:
    with _start("pass", "--idle-minutes", "0.002") as process:
        assert _next(process, protocol.Bye) == protocol.Bye("idle")
        assert process.wait(5) == 0


def test_freeing_memory_ends_the_process() -> None:
    with _start("pass") as process:
        _say(process, protocol.FreeMemory())
        assert _next(process, protocol.Bye) == protocol.Bye("freed")


def test_the_breadcrumb_says_where_it_was(make_client, request_json, tmp_path) -> None:
    client = make_client(
        "progress.stage(Stage.FIT, 0.1); time.sleep(0.4); os._exit(3)", "--logs", str(tmp_path)
    )
    view = client.wait(client.submit(request_json), timeout_s=20.0)
    assert view.state is JobState.INTERRUPTED
    crumb = json.loads((tmp_path / "breadcrumb.json").read_text())
    assert (crumb["job"], crumb["stage"]) == (view.id, "fit")
    assert crumb["rss_bytes"] > 1_000_000
    assert process_start(crumb["pid"]) is None
    assert view.problem is not None
    assert "last sign of life" in view.problem.details


def test_selftest_reports_every_library() -> None:
    module = [sys.executable, "-m", "teethscape.worker", "--selftest"]
    done = subprocess.run(module, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    messages = [protocol.decode(line) for line in done.stdout.splitlines()]
    assert isinstance(messages[0], protocol.Hello)
    result = messages[-1]
    assert isinstance(result, protocol.Result)
    assert all(check["passed"] for check in result.summary["checks"])
    assert len(result.summary["checks"]) >= 10


def test_a_broken_library_fails_the_selftest(tmp_path: Path) -> None:
    (tmp_path / "trimesh.py").write_text("raise ImportError('libGL.so.1 is missing')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    module = [sys.executable, "-m", "teethscape.worker", "--selftest"]
    done = subprocess.run(module, capture_output=True, check=False, env=environment)
    assert done.returncode == 4
    error = protocol.decode(done.stdout.splitlines()[-1])
    assert isinstance(error, protocol.Error)
    assert error.code == "selftest_failed"
    assert "libGL.so.1" in error.details


@pytest.mark.parametrize("without", [(), (Stage.PAINT, Stage.WRAP)])
def test_progress_never_runs_backwards_and_ends_at_one(without: tuple[Stage, ...]) -> None:
    sent: list[protocol.Message] = []
    progress = JobProgress("j", sent.append, threading.Event())
    progress.without = frozenset(without)
    for stage in Stage:
        for fraction in (0.0, 0.5, 1.0, 7.0):
            progress.stage(stage, fraction)
    overall = [message.overall for message in sent if isinstance(message, protocol.Progress)]
    assert overall == sorted(overall)
    assert overall[0] == 0.0
    assert overall[-1] == pytest.approx(1.0)
    painting = stage_spans(progress.without)[Stage.PAINT]
    assert painting[1] - painting[0] == pytest.approx(0.0 if without else 0.55, abs=0.1)
    assert set(stage_spans()) == {stage for family in get_args(AnyStage) for stage in family}


def test_a_cancelled_progress_stops_at_every_report() -> None:
    cancelled = threading.Event()
    progress = JobProgress("j", lambda _: None, cancelled)
    progress.check_cancelled()
    cancelled.set()
    with pytest.raises(CancelledError):
        progress.check_cancelled()
    with pytest.raises(CancelledError):
        progress.stage(Stage.FIT, 0.5)


def test_our_errors_keep_their_words() -> None:
    cases = [(BadInputError, 3, False), (RefusedError, 5, False), (ResourceError, 6, True)]
    for kind, exit_code, retryable in cases:
        message = error_message("j", kind("some_code", "Message.", "Advice."))
        assert message == protocol.Error("some_code", "Message.", "Advice.", "j", exit_code, retryable)
    assert error_message("j", OSError(errno.ENOENT, "no such file")).code == "internal"


def test_a_full_graphics_processor_is_no_mistake_of_the_engine() -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    message = error_message("j", torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."))
    assert (message.code, message.exit_code, message.retryable) == ("card_memory", 6, True)


def test_memory_is_measured() -> None:
    assert 10_000_000 < rss_bytes() < 100_000_000_000
