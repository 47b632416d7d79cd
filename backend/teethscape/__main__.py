"""``python -m teethscape`` is the same as ``teethscape``."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from typing import NoReturn

from teethscape.errors import ExitCode


def run() -> NoReturn:
    """Run the command of the command line and end the process with its exit code.

    One that was cancelled ends at once: to take Python down with the libraries of the networks takes a
    second and more. What they have registered for the end is done, and threads have ended.
    """
    cancelled: list[int] = []
    atexit.register(lambda: _end(cancelled[0]) if cancelled else None)  # the first one runs last
    try:
        from teethscape.cli import main  # takes long enough for Ctrl-C

        code = main()
    except KeyboardInterrupt:
        sys.stderr.write("Cancelled.\n")
        code = ExitCode.CANCELLED
    if code == ExitCode.CANCELLED:
        cancelled.append(code)
    leave(code)


def leave(code: int) -> NoReturn:
    """End this process; one that works together with others ends without taking Python down.

    PyTorch's threads that exchange tensors between processors may let go of the last ones only now, for
    which they need Python: a thread that waits for it while it is taken down ends the process by a signal
    (pytorch/pytorch, issue 190489). Where weights were parted they outlive ``destroy_process_group``.
    """
    together = sys.modules.get("torch.distributed")
    if together is None or not together.is_available() or not together.is_initialized():
        sys.exit(code)
    _end(code)


def _end(code: int) -> NoReturn:
    """End this process without taking Python down."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
