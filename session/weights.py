"""The jobs of the Weights panel, and what stands in their way."""

from __future__ import annotations

from typing import Any

import bpy

from ..preferences import cases_root
from .readiness import why_no_current_engine
from .view_state import state


def weights_is_open() -> bool:
    """True while weights are listed, downloaded or imported."""
    return state.weights is not None and not state.weights.state.is_over


def why_not(downloads: bool = False) -> str:
    """Why no job about weights can start now, with the remedy; empty when it can.

    Args:
        downloads: the job needs the network.
    """
    if engine := why_no_current_engine():
        return engine
    if weights_is_open():
        return "Weights are being handled: wait for it or cancel it"
    if downloads and not bpy.app.online_access:
        return "Blender may not use the network: allow it in Preferences, System, or import a file"
    return ""


def weights_request(action: str, model: str = "", path: str = "", accepted: bool = False) -> dict[str, Any]:
    """The JSON form of ``WeightsRequest``; the engine knows its folder of models by itself."""
    return {
        "action": action,
        "model": model,
        "path": path,
        "accepted": accepted,
        "output": str(cases_root()),  # every job names a folder; this one writes nothing there
    }


def model_by_id(model: str) -> dict[str, Any] | None:
    """A listed model."""
    return next((dict(one) for one in state.models or () if one["id"] == model), None)
