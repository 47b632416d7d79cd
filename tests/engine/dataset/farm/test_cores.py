"""Blenders get cores of their own, and no more threads than they are meant to have."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from teethscape.dataset.farm.cores import crew, few_cores, free_to_move, own_cores, stay_on_cores

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are Linux's")
COUNT = "print(len(os.sched_getaffinity(0)), flush=True)"
SEEN = f"import os; {COUNT}; input(); {COUNT}"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((0, 0, 100), (8, 1)),
        ((0, 0, 2), (2, 4)),
        ((0, 4, 100), (2, 4)),
        ((1, 0, 100), (1, 1)),
        ((1, 0, 1), (1, 8)),
        ((3, 2, 1), (3, 2)),
    ],
)
def test_a_worker_is_a_core_unless_cases_are_few(monkeypatch, asked, given):
    monkeypatch.setattr("teethscape.dataset.farm.cores.own_cores", lambda: list(range(8)))
    assert crew(*asked) == given


def test_workers_stay_on_cores_of_their_own_and_the_caller_does_not():
    before = own_cores()
    seen = {}

    def work(number: int) -> None:
        stay_on_cores(number, 1, len(before))
        seen[number] = own_cores()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(before))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(core for cores in seen.values() for core in cores) == before
    assert own_cores() == before


def test_more_threads_than_cores_stay_where_they_like():
    before = own_cores()
    stay_on_cores(0, len(before), 2)
    assert own_cores() == before


def test_a_child_sees_few_cores_at_its_start_and_may_move_later():
    before = own_cores()
    with few_cores(1):
        child = subprocess.Popen(
            [sys.executable, "-c", SEEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    assert own_cores() == before
    assert child.stdout is not None
    assert child.stdout.readline() == "1\n"
    free_to_move(child.pid)
    assert child.communicate("go on\n")[0] == f"{len(before)}\n"
