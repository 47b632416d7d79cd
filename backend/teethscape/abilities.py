"""Engines, surface methods and ways to cut out views that can be used here, and why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from importlib import util
from typing import Any

from teethscape.dental.request import Engine
from teethscape.dental.wishes import ForegroundName, SurfaceMethod
from teethscape.errors import MissingComponentError, TeethscapeError
from teethscape.libraries import FULL, FULL_ADVICE, TORCH_ADVICE
from teethscape.weights.store import required_weights

#: What to do about an engine that is not part of this version.
ABSENT_ADVICE = "Take the engine parametric, which needs nothing more."


class Need(str, Enum):
    """What would help."""

    NOTHING = ""
    PROFILE = "profile"
    WEIGHTS = "weights"
    LIBRARY = "library"

    __str__ = str.__str__


@dataclass(frozen=True)
class Ability:
    """An engine, a surface method or a way to cut out views.

    Attributes:
        name: as the command line calls it.
        missing: what it lacks, in one sentence; empty when it can be used.
        advice: the step that helps; empty when it can be used.
        need: what would help; where it is weights, a file that is named will do.
    """

    name: str
    missing: str = ""
    advice: str = ""
    need: Need = Need.NOTHING


def engines() -> tuple[Ability, ...]:
    """All engines of this version."""
    return tuple(_ENGINES[engine](engine.value) for engine in Engine)


def surface_methods() -> tuple[Ability, ...]:
    """All surface methods of this version."""
    lacking = _lacking(("torch",))
    return tuple(
        Ability(method.value, f"It needs PyTorch ({lacking} is missing).", TORCH_ADVICE, Need.PROFILE)
        if lacking and method is not SurfaceMethod.GRID
        else Ability(method.value)
        for method in SurfaceMethod
    )


def foregrounds() -> tuple[Ability, ...]:
    """All ways to cut out generated views."""
    return tuple(_foreground(name) for name in ForegroundName)


def to_json() -> dict[str, Any]:
    """Plain JSON values of all."""
    kinds = {"engines": engines(), "surfaces": surface_methods(), "foregrounds": foregrounds()}
    return {kind: [asdict(one) for one in found] for kind, found in kinds.items()}


def _foreground(name: ForegroundName) -> Ability:
    from teethscape.segmentation.foreground import require_foreground

    need = Need.WEIGHTS if name is ForegroundName.SAM else Need.LIBRARY
    try:
        require_foreground(name)
    except MissingComponentError as error:
        return Ability(name.value, error.message, error.advice, need)
    return Ability(name.value)


def _teethdreamer(name: str) -> Ability:
    lacking = _lacking(FULL)
    if lacking:
        return Ability(name, f"It needs the full profile ({lacking} is missing).", FULL_ADVICE, Need.PROFILE)
    try:
        required_weights(name)
    except TeethscapeError as error:
        return Ability(name, error.message, error.advice, Need.WEIGHTS)
    return Ability(name)


def _regression(name: str) -> Ability:
    """Planned; it has no networks yet."""
    return Ability(name, "This version of the engine does not have it.", ABSENT_ADVICE)


def require_known(engine: Engine) -> None:
    """Refuse an engine that only has a name yet.

    Raises:
        MissingComponentError: it is not part of this version.
    """
    if engine is Engine.REGRESSION:
        words = f"This version of Teethscape does not have the engine {engine.value}."
        raise MissingComponentError("engine_absent", words, ABSENT_ADVICE)


#: What is looked at for each engine.
_ENGINES: dict[Engine, Callable[[str], Ability]] = {
    Engine.PARAMETRIC: Ability,
    Engine.TEETHDREAMER: _teethdreamer,
    Engine.REGRESSION: _regression,
}


def _lacking(modules: tuple[str, ...]) -> str | None:
    """The first that is not installed; none is loaded."""
    return next((name for name in modules if util.find_spec(name) is None), None)
