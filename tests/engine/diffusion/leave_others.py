"""Run in two processes: the first leaves while an exchange with the second is under way."""

from __future__ import annotations

import atexit
import time
from contextlib import suppress

# Runs after all others: Python cannot be had from before the exchange ends until it is taken down.
atexit.register(sum, range(10**8))

import torch  # noqa: E402 - it registers what must run before
import torch.distributed as dist  # noqa: E402 - as above

from teethscape.__main__ import leave  # noqa: E402 - as above


def exchange() -> None:
    """The second process comes late."""
    value = torch.ones(3)
    if dist.get_rank() == 0:
        dist.all_reduce(value, async_op=True)
        return
    time.sleep(1)
    with suppress(RuntimeError):  # the first has left
        dist.all_reduce(value)


if __name__ == "__main__":
    dist.init_process_group("gloo")
    dist.barrier()
    exchange()
    leave(0)
