"""The engine's look at the photos before a reconstruction: its request, and what it found per slot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..backend.client import JobState
from ..backend.teethscape.dental.views import View
from ..photos.check import Severity
from ..preferences import cases_root
from ..properties import TEETH_PG_scene
from .readiness import why_no_current_engine
from .request import build_request, missing_views, needed_views
from .view_state import SlotsKey, state

_SEVERITIES = {"good": Severity.GOOD, "doubtful": Severity.WARNING, "unusable": Severity.ERROR}


@dataclass(frozen=True)
class SlotFinding:
    """What the engine says of the photo in a slot.

    Attributes:
        lines: severity and sentence of each thing.
    """

    lines: tuple[tuple[Severity, str], ...]


def check_is_open() -> bool:
    """True while photos are being checked."""
    return state.check is not None and not state.check.state.is_over


def why_not(settings: TEETH_PG_scene) -> str:
    """Why photos cannot be checked now, with the remedy; empty when they can."""
    if engine := why_no_current_engine():
        return engine
    if check_is_open():
        return "The photos are being checked: wait for it"
    if missing_views(settings):
        return "Photos are missing: load all of them first"
    return ""


def check_request(settings: TEETH_PG_scene) -> dict[str, Any]:
    """The JSON form of the request; nothing is written to its output."""
    return build_request(settings, cases_root())


def slots_key(settings: TEETH_PG_scene) -> SlotsKey:
    """What the slots hold, to see whether a check still speaks of them."""
    slots = (settings.slot(view) for view in needed_views(settings))
    return tuple((slot.filepath, slot.quarter_turns, slot.mirrored) for slot in slots)


def findings(settings: TEETH_PG_scene) -> dict[View, SlotFinding]:
    """What was found in the photos that are in the slots now; empty after a change."""
    if state.check is None or state.check.state is not JobState.DONE or state.checked != slots_key(settings):
        return {}
    photos: Mapping[str, Mapping[str, Any]] = state.check.summary.get("photos", {})
    return {View(int(number)): finding_of(View(int(number)), photo) for number, photo in photos.items()}


def set_problems(settings: TEETH_PG_scene) -> tuple[str, ...]:
    """What is wrong with the set as a whole, such as two photos of one side."""
    return tuple(state.check.summary.get("problems", ())) if findings(settings) and state.check else ()


def finding_of(slot: View, photo: Mapping[str, Any]) -> SlotFinding:
    """A photo's entry in words.

    Args:
        slot: the slot that it is in.
        photo: its entry in the engine's record.
    """
    lines: list[tuple[Severity, str]] = []
    if photo["view"] is not None:
        shown = View[photo["view"].upper()]
        sure = f"{100 * photo['view_confidence']:.0f} % sure"
        if shown is slot:
            lines.append((Severity.GOOD, f"Recognised ({sure})."))
        else:
            lines.append((Severity.NOTE, f"Shows the {shown.title} view ({sure}): it will be moved there."))
    if photo["rotation"]:
        lines.append((Severity.NOTE, "Stands on its head: it will be turned."))
    severity = _SEVERITIES[photo["quality"]["verdict"]]
    lines += [(severity, finding["text"]) for finding in photo["quality"]["findings"]]
    return SlotFinding(tuple(lines))
