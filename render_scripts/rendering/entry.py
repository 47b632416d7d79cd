"""The border of a render script: arguments in, exit code out, never a traceback for a user's mistake."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from teethscape.errors import CancelledError, ExitCode, TeethscapeError

log = logging.getLogger("teethscape.render")
_cancelled = threading.Event()


def own_arguments(argv: list[str]) -> list[str]:
    """What follows ``--`` under Blender, everything after the script's name under plain Python."""
    return argv[argv.index("--") + 1 :] if "--" in argv else argv[1:]


def cancel_on_interrupt() -> None:
    """Let Ctrl C cancel after the view under way; a second one ends the process at once.

    Left alone, Python raises KeyboardInterrupt inside one of Cycles' callbacks, where it is lost.
    """
    _cancelled.clear()
    signal.signal(signal.SIGINT, _on_interrupt)


def _on_interrupt(_signal: int, _frame: object) -> None:
    if _cancelled.is_set():
        os._exit(int(ExitCode.CANCELLED))
    _cancelled.set()


def check_cancelled() -> None:
    """Go on, or end the job when the user wants it to.

    Raises:
        CancelledError: Ctrl C was pressed.
    """
    if _cancelled.is_set():
        raise CancelledError


def guarded(work: Callable[[], int]) -> int:
    """Run ``work``; turn what it raises into a logged sentence and an exit code."""
    try:
        return work()
    except TeethscapeError as error:
        log.error("%s %s", error.message, error.advice)
        return int(error.exit_code)
    except KeyboardInterrupt:  # of a program that calls a script's ``main`` and has its own handler
        log.error("Cancelled.")
        return int(ExitCode.CANCELLED)
    except MemoryError:
        log.error("The memory is full. Give fewer threads or a smaller --image_size.")
        return int(ExitCode.OUT_OF_RESOURCES)
    except SystemExit as error:  # argparse has told what is wrong, or has printed its help
        return error.code if isinstance(error.code, int) else 0
    except Exception:  # the border of the process: Blender would report success
        log.exception("This is a fault of the script (internal); please report it.")
        return int(ExitCode.OUT_OF_RESOURCES)  # the code of `internal` everywhere


def run_script(main: Callable[[list[str]], int]) -> None:
    """Run a script's ``main`` as a program and end the process with its code.

    ``sys.exit`` reaches the shell under ``blender --background`` too, unlike an exception.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cancel_on_interrupt()
    sys.exit(main(own_arguments(sys.argv)))
