"""Checkpoints of torch methods: written at once, read without running code (needs torch)."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

from teethscape.errors import CancelledError, TeethscapeError
from teethscape.surface.session import Session

#: What torch raises for a file that is no checkpoint of ours.
_FOREIGN = (
    OSError, EOFError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    pickle.UnpicklingError,
)  # fmt: skip


def save_state(
    session: Session, key: str, state: Callable[[], dict[str, Any]], at_once: bool = False
) -> None:
    """Write a checkpoint when one is due."""
    session.save(
        lambda stream: torch.save({"key": key, "spent_s": session.spent_s, "state": state()}, stream), at_once
    )


@contextmanager
def saved_when_stopped(save: Callable[[], None]) -> Iterator[None]:
    """Call ``save`` where the user stops the block: runs of less than a minute could not be continued else.

    Args:
        save: writes a checkpoint; Ctrl C may have come in the middle of a step, so what it writes may be of
            one that is half done.
    """
    try:
        yield
    except (CancelledError, KeyboardInterrupt):
        with suppress(TeethscapeError):  # a full disk: the user has stopped all the same
            save()
        raise


def load_state(session: Session, key: str, device: torch.device) -> dict[str, Any] | None:
    """The state of a checkpoint of the same views and settings, or None; says so where one does not fit."""
    try:
        content = torch.load(session.checkpoint, map_location=device, weights_only=True)
    except FileNotFoundError:
        return None
    except _FOREIGN:
        content = None
    spent_s, state = _parts(content, key)
    if spent_s is None or state is None:
        session.warn_unused()
        return None
    session.continue_after(spent_s)
    return state


def _parts(content: object, key: str) -> tuple[float | None, dict[str, Any] | None]:
    """Seconds and state of a checkpoint's content; None for what is missing or of another key."""
    if not isinstance(content, dict) or content.get("key") != key:
        return None, None
    spent_s, state = content.get("spent_s"), content.get("state")
    return (
        float(spent_s) if isinstance(spent_s, int | float) else None,
        state if isinstance(state, dict) else None,
    )
