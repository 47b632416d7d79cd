"""From an exit code to words: what became of an engine that ended unasked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .problems import Problem

_TABLE = Path(__file__).parent / "data" / "crash_codes.json"


@dataclass(frozen=True)
class CrashKind:
    """A row of the table of exit codes; the row without codes is the rest."""

    exits: tuple[int, ...]
    code: str
    message: str
    advice: str


@cache
def crash_kinds() -> tuple[CrashKind, ...]:
    """All rows of the table."""
    rows = json.loads(_TABLE.read_text("utf-8"))
    return tuple(CrashKind(**{**row, "exits": tuple(row["exits"])}) for row in rows)


def explain(exit_code: int, tail: Sequence[str], where: str = "") -> Problem:
    """The problem behind an exit code.

    Args:
        exit_code: of the process; negative for a signal on Linux and macOS.
        tail: last lines of its stderr.
        where: the stage it was in, for the report.
    """
    codes = (exit_code, exit_code & 0xFFFFFFFF)  # Windows hands its codes out signed or unsigned
    kinds = crash_kinds()
    kind = next((kind for kind in kinds if set(codes) & set(kind.exits)), kinds[-1])
    head = f"exit code {exit_code}" + (f" in stage {where}" if where else "")
    return Problem(kind.code, kind.message, kind.advice, 6, True, "\n".join((head, *tail)))
