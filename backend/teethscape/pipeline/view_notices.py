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
    """Which views contradicted the others and are no part of the jaws' surfaces."""
    notices = []
    for jaw, file in surfaces.items():
        names: list[str] = _beside(file).get("views_left_out", [])
        if names:
            verb = "contradicts the others and is" if len(names) == 1 else "contradict the others and are"
            notices.append(f"{jaw_title(jaw)}: {_listed(names)} {verb} left out of the surface.")
    return notices


def jaw_title(jaw: Jaw) -> str:
    """How a sentence about a jaw begins."""
    return f"{jaw.value.capitalize()} jaw"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _beside(file: Path) -> dict[str, Any]:
    """What the JSON file beside a strip or a surface says."""
    return json.loads(file.with_suffix(".json").read_text("utf-8"))
