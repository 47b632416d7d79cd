"""Small files that are never half-written, and logs that do not grow for ever."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOG_LIMIT_BYTES = 10_000_000
_LOGS_KEPT = 5


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file in one step: readers see the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}.part")
    half.write_text(json.dumps(content, indent=1), "utf-8")
    half.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None when it is absent, unreadable or no object."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def append_line(path: Path, content: Mapping[str, Any]) -> None:
    """Add one JSON line to a journal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as journal:
        journal.write(json.dumps(content) + "\n")


def rotate(log_file: Path, limit_bytes: int = LOG_LIMIT_BYTES) -> None:
    """Move a long log aside as ``.1``, that one as ``.2``, and so on up to five."""
    if not log_file.exists() or log_file.stat().st_size < limit_bytes:
        return
    for number in range(_LOGS_KEPT - 1, 0, -1):
        older = log_file.with_name(f"{log_file.name}.{number}")
        if older.exists():
            older.replace(log_file.with_name(f"{log_file.name}.{number + 1}"))
    log_file.replace(log_file.with_name(f"{log_file.name}.1"))
