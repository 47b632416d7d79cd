"""Engines, surface methods, ways to cut out views: which the engine has, and why one cannot be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..properties import TEETH_PG_scene
from .view_state import state

_REMEDIES = {
    "profile": "choose Full in Setup and install the engine again",
    "weights": "install them in Networks, or name a file",
    "library": "install it in the engine's environment",
}
_UNKNOWN = "Not looked yet whether it is installed"


def why_not_engine(name: str, weights: str = "") -> str:
    """Why an engine cannot be chosen; empty when it can.

    Args:
        name: of the engine.
        weights: file of its networks that the user has named.
    """
    if name == "parametric":
        return ""
    found = _found("engines", name)
    return "" if found and found["need"] == "weights" and weights else _why_not(found)


def why_not_surface(name: str) -> str:
    """Why a surface method cannot be chosen; empty when it can."""
    return "" if name == "auto" else _why_not(_found("surfaces", name))


def why_not_foreground(name: str) -> str:
    """Why views cannot be cut out this way; empty when they can."""
    if name in ("plain", "fit"):
        return ""
    return _why_not(_found("foregrounds", name), {**_REMEDIES, "weights": "install them in Networks"})


def why_not_method(settings: TEETH_PG_scene) -> str:
    """Why no job can start with what is chosen; what was not looked at yet, the engine itself will tell."""
    if state.abilities is None or settings.engine == "parametric":
        return ""
    views = settings.views
    lacking = why_not_engine(settings.engine, views.weights), why_not_surface(views.surface)
    return next(filter(None, lacking), "") or why_not_foreground(views.foreground)


def _found(kind: str, name: str) -> Mapping[str, Any] | None:
    return next((one for one in (state.abilities or {}).get(kind, ()) if one["name"] == name), None)


def _why_not(found: Mapping[str, Any] | None, remedies: Mapping[str, str] = _REMEDIES) -> str:
    if state.abilities is None:
        return _UNKNOWN
    if found is None:
        return "This version of the engine does not have it"
    if not found["missing"]:
        return ""
    remedy = remedies.get(found["need"], "")
    return found["missing"].rstrip(".") + (f": {remedy}" if remedy else "")
