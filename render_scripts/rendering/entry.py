"""The border of a render script: arguments in, exit code out, never a traceback for a user's mistake."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from teethscape.errors import ExitCode, TeethscapeError

log = logging.getLogger("teethscape.render")
#: A fault of ours, not of the user: Python's own code for an unhandled exception.
BUG = 1


def own_arguments(argv: list[str]) -> list[str]:
    """What follows ``--`` under Blender, everything after the script's name under plain Python."""
    return argv[argv.index("--") + 1 :] if "--" in argv else argv[1:]


def guarded(work: Callable[[], int]) -> int:
    """Run ``work``; turn what it raises into a logged sentence and an exit code."""
    try:
        return work()
    except TeethscapeError as error:
        log.error("%s %s", error.message, error.advice)
        return int(error.exit_code)
    except KeyboardInterrupt:
        log.error("Cancelled.")
        return int(ExitCode.CANCELLED)
    except MemoryError:
        log.error("The memory is full. Give fewer threads or a smaller --image_size.")
        return int(ExitCode.OUT_OF_RESOURCES)
    except SystemExit as error:  # argparse has told what is wrong, or has printed its help
        return error.code if isinstance(error.code, int) else 0
    except Exception:  # the border of the process: Blender would report success
        log.exception("This is a fault of the script.")
        return BUG


def run_script(main: Callable[[list[str]], int]) -> None:
    """Run a script's ``main`` as a program and end the process with its code.

    ``sys.exit`` reaches the shell under ``blender --background`` too, unlike an exception.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main(own_arguments(sys.argv)))
