"""Several training processes that share one network by averaging their gradients."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from teethscape.errors import ResourceError

#: How often it is looked whether the other processes live, s.
_LOOK_S = 0.5


def average_gradients(network: torch.nn.Module) -> None:
    """Replace each gradient by its mean over all processes; does nothing when there is one."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def largest(value: float) -> float:
    """The largest of all processes' values, so that they take the same decision."""
    if not dist.is_initialized():
        return value
    shared = torch.tensor(value, dtype=torch.float64)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return float(shared)


def rank() -> int:
    """Number of this process, 0 for the one that writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def _enter(number: int, count: int, meeting: str, work: Callable[[], None]) -> None:
    """Body of one process."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting, rank=number, world_size=count)
    try:
        work()
    finally:
        dist.destroy_process_group()


def _begin(number: int, count: int, meeting: str, work: Callable[[], None], ready: Semaphore) -> None:
    """Body of a process that another one started."""
    if hasattr(os, "setsid"):
        os.setsid()  # desktop schedulers share the processor between sessions
    ready.release()
    _enter(number, count, meeting, work)


def in_processes(count: int, work: Callable[[], None]) -> None:
    """Run ``work`` (picklable) in ``count`` processes, this one being number 0.

    Raises:
        ResourceError: one of the others ended before the work began.
    """
    if count == 1:
        work()
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        context = multiprocessing.get_context("spawn")
        ready = context.Semaphore(0)
        others = [
            context.Process(target=_begin, args=(n, count, meeting, work, ready), daemon=True)
            for n in range(1, count)
        ]
        for process in others:
            process.start()
        _await(others, ready)
        _enter(0, count, meeting, work)
        for process in others:
            process.join(30)


def _await(others: Sequence[BaseProcess], ready: Semaphore) -> None:
    """Wait until all others stand at their work: where they meet, a dead one would be waited for in vain."""
    for _ in others:
        while not ready.acquire(timeout=_LOOK_S):
            for process in others:
                if process.exitcode is not None:
                    raise ResourceError(
                        "training_process",
                        f"A training process ended before it began (exit code {process.exitcode}).",
                        "What it said stands above. If memory ran out, close other programs.",
                    )
