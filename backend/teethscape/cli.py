"""The command line ``teethscape`` (architecture, section 5).

Heavy libraries are imported by the command that needs them, so that help and
wrong usage answer at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from teethscape import __version__
from teethscape.cli_commands import COMMANDS, add_commands
from teethscape.errors import CancelledError, ExitCode, TeethscapeError, UsageError
from teethscape.failures import as_ours


class _Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("usage", f"{message[:1].upper()}{message[1:]}.", f"See: {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    A user's mistake gives one sentence and one piece of advice on stderr, never a
    traceback; ``--json`` puts the result or the error on stdout.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # Matrices and pictures are too small for several threads, which would only wait for each other. A
    # user's own choice stays; it must be made before numpy and OpenCV are imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    if arguments[:1] == ["worker"]:  # its arguments and its streams are its own
        from teethscape.worker import main as worker

        return worker(list(arguments[1:]))
    wants_json = "--json" in arguments
    _stop_on_terminate()
    _log_to_terminal()
    try:
        options = _parser().parse_args(arguments)
        result = COMMANDS[options.command](options) or {}
        _print_result(result, wants_json)
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)
    except BaseException as error:  # noqa: BLE001 - the process border: every failure becomes a sentence
        return _report(_failure(error), wants_json)
    return int(result.get("exit_code", ExitCode.DONE))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="teethscape", description="Teeth in millimetres from five intra-oral photographs.")
    parser.add_argument("--version", action="version", version=f"teethscape {__version__}")
    add_commands(parser.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    return parser


def _log_to_terminal() -> None:
    """Warnings go to stderr; tracebacks only into the case's log."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(lambda record: record.exc_info is None)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", handlers=[handler])


def _stop_on_terminate() -> None:
    """Let a polite kill end like Ctrl-C, so that the case says "cancelled"."""

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with suppress(ValueError):  # signals belong to the main thread only
        signal.signal(signal.SIGTERM, stop)


def _failure(error: BaseException) -> TeethscapeError:
    """What is told; what ends the process without a word is raised again."""
    if isinstance(error, KeyboardInterrupt):
        return CancelledError()
    if isinstance(error, BrokenPipeError) or not isinstance(error, Exception):
        raise error
    return as_ours(error)


def _print_result(result: dict[str, Any], wants_json: bool) -> None:
    if wants_json and result:
        print(json.dumps(result, ensure_ascii=False))


def _report(error: TeethscapeError, wants_json: bool) -> int:
    if isinstance(error, CancelledError):
        print("Cancelled.", file=sys.stderr)
    else:
        print(f"Error: {error.message}", file=sys.stderr)
        if error.advice:
            print(f"  What to do: {error.advice}", file=sys.stderr)
    if wants_json:
        values = {"code": error.code, "message": error.message, "advice": error.advice}
        print(json.dumps({"error": values, "exit_code": int(error.exit_code)}, ensure_ascii=False))
    return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
