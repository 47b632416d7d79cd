"""Errors that reach users: a code, a sentence, advice, and an exit code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every Teethscape command (architecture, section 5)."""

    DONE = 0
    USAGE = 2
    BAD_INPUT = 3
    MISSING_COMPONENT = 4
    REFUSED = 5
    OUT_OF_RESOURCES = 6
    CANCELLED = 130


class TeethscapeError(Exception):
    """A problem that a user can understand and act on.

    Args:
        code: stable identifier, ``snake_case``; every code has an anchor in
            ``docs/errors.md``.
        message: one sentence that says what is wrong, with the file or view.
        advice: one sentence that says what to do next.
    """

    exit_code = ExitCode.OUT_OF_RESOURCES

    def __init__(self, code: str, message: str, advice: str = "") -> None:
        super().__init__(f"{message} {advice}".strip())
        self.code = code
        self.message = message
        self.advice = advice


class UsageError(TeethscapeError):
    """The command was called wrongly."""

    exit_code = ExitCode.USAGE


def unreadable_request(error: Exception) -> UsageError:
    """What to raise when a job's JSON has a value missing, misspelt or of the wrong type."""
    return UsageError(
        "bad_request",
        f"The request cannot be read ({type(error).__name__}: {error}).",
        "Update the add-on and the engine to the same version.",
    )


class BadInputError(TeethscapeError):
    """A file or folder of the user cannot be used as it is."""

    exit_code = ExitCode.BAD_INPUT


class MissingComponentError(TeethscapeError):
    """A part of the engine is not installed; the advice holds the command."""

    exit_code = ExitCode.MISSING_COMPONENT


class RefusedError(TeethscapeError):
    """The result would not be trustworthy, so none is given."""

    exit_code = ExitCode.REFUSED


class ResourceError(TeethscapeError):
    """Disk, memory or another resource ran out."""

    exit_code = ExitCode.OUT_OF_RESOURCES


class CancelledError(TeethscapeError):
    """The user cancelled; never shown as a failure."""

    exit_code = ExitCode.CANCELLED

    def __init__(self) -> None:
        super().__init__("cancelled", "Cancelled.")
