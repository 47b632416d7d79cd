"""Which cores Blenders run on, and how many threads they start.

Blender's task scheduler starts a thread per core that it sees when it is loaded, whatever a render may use
later, and threads that find nothing to do spin: half of the processor time of a short render. So a Blender
sees only as many cores as it is meant to use. All of it is Linux; elsewhere nothing happens.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def own_cores() -> list[int]:
    """Numbers of the cores that the calling thread may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def crew(workers: int, threads: int, cases: int) -> tuple[int, int]:
    """How many Blenders, and threads of each, where 0 leaves the choice to us.

    One Blender per core with one thread renders most; only where there are fewer cases than cores
    does each get several.
    """
    cores = len(own_cores())
    workers = workers or min(max(1, cores // (threads or 1)), max(1, cases))
    return workers, threads or max(1, cores // max(workers, min(cases, cores), 1))


def stay_on_cores(number: int, threads: int, workers: int) -> None:
    """Keep the calling thread, and the Blender that it will start, on cores of its own.

    Nothing happens where there are more threads than cores. The first core differs from run to run:
    two farms with one worker each would else meet on the same one.
    """
    cores = own_cores()
    if workers * threads <= len(cores):
        first = os.getpid() + number * threads
        _keep_to({cores[(first + k) % len(cores)] for k in range(threads)})


@contextmanager
def few_cores(threads: int) -> Iterator[None]:
    """Let children that are started here see only so many of the calling thread's cores; 0 for all."""
    cores = own_cores()
    _keep_to(set(cores[:threads] if threads else cores))
    try:
        yield
    finally:
        _keep_to(set(cores))


def free_to_move(pid: int) -> None:
    """Let all threads of a child use the calling thread's cores; how many it has started stays."""
    with suppress(OSError):  # it may just have ended; or there is no such folder
        for task in Path(f"/proc/{pid}/task").iterdir():
            _keep_to(set(own_cores()), int(task.name))


def _keep_to(cores: set[int], task: int = 0) -> None:
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # a thread that has ended, or a system that does not allow it
            os.sched_setaffinity(task, cores)
