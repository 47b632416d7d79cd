"""``python -m teethscape`` is the same as ``teethscape``."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

from teethscape.cli import main


def run() -> NoReturn:
    """Run the command of the command line and end the process with its exit code."""
    leave(main())


def leave(code: int) -> NoReturn:
    """End this process; one that works together with others ends without taking Python down.

    PyTorch's threads that exchange tensors between processors may let go of the last ones only now, for
    which they need Python: a thread that waits for it while it is taken down ends the process by a signal
    (pytorch/pytorch, issue 190489). Where weights were parted they outlive ``destroy_process_group``.
    """
    together = sys.modules.get("torch.distributed")
    if together is None or not together.is_available() or not together.is_initialized():
        sys.exit(code)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
