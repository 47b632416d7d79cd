"""The client against every mode of the fake worker."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from client import ClientError, EngineClient, EngineLaunch, EngineState, JobState, JobStore, JobView
from client.jobs import KEPT_JOBS
from client.platform_support import process_start

from .conftest import FAKE_WORKER, HASTY, MakeClient

BACKEND = Path(__file__).resolve().parents[3] / "backend"


def finish(client: EngineClient, job: str) -> JobView:
    view = client.wait(job, timeout_s=20.0)
    assert view.state.is_over, view
    return view


def until(client: EngineClient, condition, seconds: float = 5.0) -> None:
    assert client.inbox.wait_until(condition, seconds), "it did not happen in time"


def test_a_job_runs_and_reports(make_client: MakeClient, request_json) -> None:
    client = make_client("ok")
    assert client.state is EngineState.STOPPED
    seen: list[JobView] = []
    job = client.submit(request_json)
    assert client.active
    view = client.wait(job, seen.append, 20.0)
    assert view.state is JobState.DONE
    assert view.summary == {"teeth": 28}
    assert view.exit_code == 0
    assert (view.overall, view.attempts) == (1.0, 1)
    assert [warning.code for warning in view.warnings] == ["third_molar"]
    assert [v.overall for v in seen] == sorted(v.overall for v in seen)
    assert client.state is EngineState.IDLE
    assert not client.active
    assert client.unfinished() == ()


def test_jobs_wait_for_each_other(make_client: MakeClient, request_json) -> None:
    client = make_client("ok")
    jobs = [client.submit(request_json) for _ in range(3)]
    assert client.inbox.wait_until(lambda: not client.active, 20.0)
    assert [client.job(job).state for job in jobs] == [JobState.DONE] * 3
    assert len({client.pid}) == 1


def test_a_timer_drains_the_same_queue_without_blocking(make_client: MakeClient, request_json) -> None:
    client = make_client("slow")
    job = client.submit(request_json)
    longest = 0.0
    deadline = time.monotonic() + 10
    while not client.job(job).state.is_over and time.monotonic() < deadline:
        start = time.monotonic()
        client.drain(5.0)
        longest = max(longest, time.monotonic() - start)
        time.sleep(0.05)
    assert client.job(job).state is JobState.DONE
    assert client.job(job).elapsed_s > 1.0
    assert longest < 0.2


def test_garbage_is_logged_and_not_fatal(make_client: MakeClient, request_json, caplog) -> None:
    client = make_client("garbage")
    with caplog.at_level(logging.WARNING, "client.session"):
        view = finish(client, client.submit(request_json))
    assert view.state is JobState.DONE
    assert sum("unreadable line" in record.message for record in caplog.records) == 5


def test_errors_of_the_engine_are_data(make_client: MakeClient, request_json) -> None:
    view = finish(client := make_client("refused"), job := client.submit(request_json))
    assert view.state is JobState.FAILED
    assert view.problem is not None
    assert (view.problem.code, view.problem.advice, view.exit_code) == ("milk_teeth", "Use other photos.", 5)
    assert client.unfinished() == ()
    assert client.resume(job) == job


def test_cancel_is_no_error_and_the_engine_stays(make_client: MakeClient, request_json) -> None:
    client = make_client("slow")
    job = client.submit(request_json)
    until(client, lambda: client.job(job).stage != "")
    client.cancel(job)
    assert client.job(job).state is JobState.CANCELLING
    view = finish(client, job)
    assert view.state is JobState.CANCELLED
    assert (view.problem, view.exit_code) == (None, 130)
    assert client.state is EngineState.IDLE


def test_a_waiting_job_is_cancelled_at_once(make_client: MakeClient, request_json) -> None:
    client = make_client("slow")
    first, second = client.submit(request_json), client.submit(request_json)
    client.cancel(second)
    assert client.job(second).state is JobState.CANCELLED
    client.cancel(first)
    assert finish(client, first).state is JobState.CANCELLED


def test_a_deaf_engine_is_ended_by_force(make_client: MakeClient, request_json) -> None:
    client = make_client("deaf")
    job = client.submit(request_json)
    until(client, lambda: client.job(job).stage == "segment")
    pid, start = client.pid, time.monotonic()
    client.cancel(job)
    view = finish(client, job)
    assert (view.state, view.problem) == (JobState.CANCELLED, None)
    assert time.monotonic() - start >= HASTY.cancel_s
    assert client.state is EngineState.STOPPED
    assert process_start(pid) is None
    again = client.submit(request_json)  # the next job gets a fresh engine
    until(client, lambda: client.job(again).stage == "segment")
    client.cancel(again)
    finish(client, again)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")
def test_kill_follows_when_the_signal_is_ignored(tmp_path: Path, request_json) -> None:
    program = tmp_path / "stubborn.py"
    program.write_text(
        f"import runpy, signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"sys.argv[1:] = ['--mode', 'deaf']\nrunpy.run_path({str(FAKE_WORKER)!r}, run_name='__main__')\n"
    )
    launch = EngineLaunch((sys.executable, str(program)), dict(os.environ), tmp_path / "run")
    client = EngineClient(launch, JobStore(tmp_path / "jobs"), patience=HASTY)
    job = client.submit(request_json)
    until(client, lambda: client.job(job).stage == "segment")
    start = time.monotonic()
    client.cancel(job)
    assert finish(client, job).state is JobState.CANCELLED
    assert time.monotonic() - start >= HASTY.cancel_s + HASTY.terminate_s


def test_silence_is_noticed(make_client: MakeClient, request_json) -> None:
    client = make_client("stall")
    job = client.submit(request_json)
    until(client, lambda: client.job(job).stage == "segment")
    until(client, lambda: client.job(job).silent)
    until(client, lambda: client.job(job).stuck)
    assert client.job(job).silence_s > HASTY.stuck_s


def test_a_crash_is_retried_and_the_job_ends_well(make_client: MakeClient, request_json, tmp_path) -> None:
    client = make_client("crash-once", "--memory", str(tmp_path / "memory"))
    view = finish(client, client.submit(request_json))
    assert view.state is JobState.DONE
    assert view.attempts == 2


@pytest.mark.skipif(os.name == "nt", reason="exit codes of POSIX systems")
@pytest.mark.parametrize(("mode", "code"), [("crash", "engine_aborted"), ("out-of-memory", "engine_killed")])
def test_repeated_crashes_end_with_a_report(
    make_client: MakeClient, request_json, mode: str, code: str
) -> None:
    client = make_client(mode)
    job = client.submit(request_json)
    view = finish(client, job)
    assert view.state is JobState.INTERRUPTED
    assert view.attempts == 1 + HASTY.restarts
    assert client.state is EngineState.CRASHED
    assert view.problem is not None
    assert (view.problem.code, view.problem.retryable, view.exit_code) == (code, True, 6)
    assert "in stage segment" in view.problem.details
    if mode == "crash":
        lines = view.problem.details.splitlines()
        assert len(lines) == 201
        assert lines[-1] == "line 299"
    assert [left.id for left in client.unfinished()] == [job]


def test_another_version_is_said_clearly(make_client: MakeClient, request_json) -> None:
    client = make_client("old-version")
    view = finish(client, client.submit(request_json))
    assert view.state is JobState.FAILED
    assert view.problem is not None
    assert (view.problem.code, view.problem.advice) == ("engine_version", "Update the engine.")
    assert client.inbox.wait_until(lambda: client.pid is None, 5.0)


def test_an_engine_that_cannot_start_fails_the_job_with_its_words(
    make_client: MakeClient, request_json
) -> None:
    view = finish(client := make_client("dies-at-start"), client.submit(request_json))
    assert view.state is JobState.FAILED
    assert view.problem is not None
    assert "libfoo is missing" in view.problem.details


def test_an_engine_that_never_greets_is_given_up(make_client: MakeClient, request_json) -> None:
    hasty = type(HASTY)(greeting_s=0.3)
    view = finish(client := make_client("never-greets", patience=hasty), client.submit(request_json))
    assert view.problem is not None
    assert view.problem.code == "engine_start_timeout"


def test_a_job_sent_to_a_leaving_engine_is_not_lost(make_client: MakeClient, request_json) -> None:
    client = make_client("leaves")
    job = client.submit(request_json)
    until(client, lambda: client.job(job).attempts >= 2)
    client.cancel(job)
    finish(client, job)


def test_a_missing_program_is_a_clear_error(tmp_path: Path, request_json) -> None:
    launch = EngineLaunch((str(tmp_path / "absent"),), {}, tmp_path)
    with pytest.raises(ClientError) as caught:
        EngineClient(launch, JobStore(tmp_path / "jobs")).submit(request_json)
    assert caught.value.problem.code == "engine_start"
    assert caught.value.problem.exit_code == 4


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")
def test_kill_9_of_the_engine_leaves_a_job_to_continue(make_client: MakeClient, request_json) -> None:
    client = make_client("slow", patience=type(HASTY)(restarts=0))
    job = client.submit(request_json)
    until(client, lambda: client.job(job).stage == "segment")
    os.kill(client.pid, signal.SIGKILL)
    assert finish(client, job).state is JobState.INTERRUPTED
    (left,) = client.unfinished()
    assert (left.id, left.stage, left.problem.code) == (job, "segment", "engine_killed")
    client.resume(job)
    assert client.unfinished() == ()
    assert finish(client, job).state is JobState.DONE
    assert client.unfinished() == ()


_PARENT = """
    import os, sys, time
    sys.path[:0] = [{backend!r}, {tests!r}]
    from pathlib import Path
    from conftest import launch
    from client import EngineClient, JobStore
    root = Path(sys.argv[1])
    client = EngineClient(launch(root, "--mode", "slow"), JobStore(root / "jobs"))
    job = client.submit({{"output": str(root / "case")}})
    client.inbox.wait_until(lambda: client.job(job).stage != "")
    print(client.pid, job, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")
def test_kill_9_of_the_parent_leaves_no_child_and_a_job_to_continue(tmp_path: Path) -> None:
    code = textwrap.dedent(_PARENT).format(backend=str(BACKEND), tests=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid, job = parent.stdout.readline().decode().split()
        store = JobStore(tmp_path / "jobs")
        assert store.unfinished() == ()  # its owner lives
        assert process_start(int(pid)) is not None
        parent.kill()
    deadline = time.monotonic() + 5
    while process_start(int(pid)) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process_start(int(pid)) is None
    assert [(view.id, view.state) for view in store.unfinished()] == [(job, JobState.INTERRUPTED)]
    store.discard(job)
    assert store.unfinished() == ()


def test_shutdown_ends_the_engine_and_keeps_the_open_job(make_client: MakeClient, request_json) -> None:
    client = make_client("slow")
    job = client.submit(request_json)
    until(client, lambda: client.job(job).stage != "")
    pid = client.pid
    client.shutdown(5.0)
    assert process_start(pid) is None
    assert [view.id for view in client.unfinished()] == [job]


def test_incomplete_requests_are_refused(make_client: MakeClient) -> None:
    client = make_client("ok")
    with pytest.raises(ClientError) as caught:
        client.submit({"photos": "x"})
    assert caught.value.problem.code == "no_case_folder"
    with pytest.raises(ClientError):
        client.submit({"output": "x", "odd": object()})
    with pytest.raises(ClientError):
        client.job("../../etc")
    with pytest.raises(ClientError):
        client.resume("0" * 32)
    assert client.jobs == ()


def test_a_hundred_jobs_leave_nothing_behind(make_client: MakeClient, request_json) -> None:
    threads = threading.active_count()
    client = make_client("ok")
    for _ in range(100):
        assert finish(client, client.submit(request_json)).state is JobState.DONE
    kept = len(list(client._queue._store.folder.iterdir()))
    assert kept <= KEPT_JOBS + 1
    client.shutdown(5.0)
    deadline = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= threads


def test_a_request_that_cannot_be_sent_fails_and_the_next_one_runs(
    make_client: MakeClient, request_json
) -> None:
    client = make_client("ok")
    long = client.submit({**request_json, "masks": "x" * 1_100_000})
    good = client.submit(request_json)
    view = finish(client, long)
    assert view.state is JobState.FAILED
    assert view.problem is not None
    assert view.problem.code == "bad_request"
    assert finish(client, good).state is JobState.DONE
