"""What went wrong, in a form that a panel or a command line can show."""

from __future__ import annotations

from dataclasses import dataclass

from .wire import protocol


@dataclass(frozen=True)
class Problem:
    """An error as data, whoever found it: engine, client or installer.

    Attributes:
        code: stable identifier with an anchor in ``docs/errors.md``.
        message: what is wrong, in one sentence.
        advice: what to do next, in one sentence.
        exit_code: what a command line returns for it (architecture, section 5).
        retryable: whether trying again may succeed.
        details: log lines or a traceback for a report.
    """

    code: str
    message: str
    advice: str = ""
    exit_code: int = 6
    retryable: bool = False
    details: str = ""

    @staticmethod
    def of(error: protocol.Error) -> Problem:
        """The same for an error that the engine sent."""
        return Problem(
            error.code, error.message, error.advice, error.exit_code, error.retryable, error.details
        )


class ClientError(Exception):
    """A request to the client or the installer that cannot be met."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.message} {problem.advice}".strip())
        self.problem = problem
