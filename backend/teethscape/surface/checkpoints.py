"""Checkpoints of torch methods: written at once, read without running code (needs torch)."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import torch

from teethscape.surface.session import Session


def save_state(
    session: Session, key: str, state: Callable[[], dict[str, Any]], at_once: bool = False
) -> None:
    """Write a checkpoint when one is due."""
    session.save(
        lambda stream: torch.save({"key": key, "spent_s": session.spent_s, "state": state()}, stream), at_once
    )


def load_state(session: Session, key: str, device: torch.device) -> dict[str, Any] | None:
    """The state of a checkpoint of the same views and settings, or None; says so where one does not fit."""
    try:
        content = torch.load(session.checkpoint, map_location=device, weights_only=True)
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        content = None
    if not isinstance(content, dict) or content.get("key") != key:
        session.warn_unused()
        return None
    session.continue_after(float(content["spent_s"]))
    return content["state"]
