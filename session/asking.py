"""The question which engines and surface methods the engine has."""

from __future__ import annotations

from typing import Any

from ..preferences import cases_root
from .readiness import why_no_current_engine
from .view_state import state


def is_asking() -> bool:
    """True while the engine is being asked."""
    return state.asking is not None and not state.asking.state.is_over


def why_not_ask() -> str:
    """Why the engine cannot be asked now, with the remedy; empty when it can."""
    return why_no_current_engine() or ("The engine is being asked: wait for it" if is_asking() else "")


def question() -> dict[str, Any]:
    """The request; nothing is written to its output."""
    return {"output": str(cases_root())}
