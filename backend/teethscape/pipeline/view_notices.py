"""What a user should know of painted views and their surfaces, read from the files beside them.

Read from files, and not heard from the progress, it is the same in the run that made them and in every later
one that only loads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from teethscape.dental.fdi import Jaw


def painting_notices(strips: Mapping[Jaw, Path]) -> list[str]:
    """Which views of the jaws' strips were painted again."""
    notices = []
    for jaw, file in strips.items():
        rounds: list[dict[str, Any]] = _beside(file).get("repainted", [])
        names = dict.fromkeys(name for one in rounds for name in one["views"])
        if names:
            told = f"painted again, because of what disagreed with the fitted teeth: {_listed(list(names))}"
            notices.append(f"{jaw_title(jaw)}: {told}.")
    return notices


def surface_notices(surfaces: Mapping[Jaw, Path]) -> list[str]:
    """Which views are no part of the jaws' surfaces, and of which the masks' borders were moved."""
    notices = []
    for jaw, file in surfaces.items():
        report = _beside(file)
        told = _left_out(report.get("views_left_out", [])), _moved(report.get("views", {}))
        notices += [f"{jaw_title(jaw)}: {sentence}" for sentence in told if sentence]
    return notices


def _left_out(names: Sequence[str]) -> str:
    verb = "contradicts the others and is" if len(names) == 1 else "contradict the others and are"
    return f"{_listed(names)} {verb} left out of the surface." if names else ""


def _moved(views: Mapping[str, Mapping[str, Any]]) -> str:
    """A surface is the less certain, the farther its outlines had to be moved."""
    moves = {name: abs(view.get("mask_moved_px") or 0.0) for name, view in views.items()}
    names = [name for name, move in moves.items() if move > 0]
    if not names:
        return ""
    off = f"{max(moves.values()):.1f} px too large or too small"
    if len(names) == 1:
        return f"the mask of {names[0]} was {off}; its border is moved."
    return f"the masks of {_listed(names)} were up to {off}; their borders are moved."


def jaw_title(jaw: Jaw) -> str:
    """How a sentence about a jaw begins."""
    return f"{jaw.value.capitalize()} jaw"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _beside(file: Path) -> dict[str, Any]:
    """What the JSON file beside a strip or a surface says."""
    return json.loads(file.with_suffix(".json").read_text("utf-8"))
