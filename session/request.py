"""From a scene's settings to the request that the engine gets."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy

from ..backend.teethscape.dental.fdi import Jaws
from ..backend.teethscape.dental.views import View, views_needed
from ..backend.teethscape.dental.wishes import PREVIEW_STEPS
from ..preferences import cases_root
from ..properties import TEETH_PG_scene, TEETH_PG_views
from ..scene.case_data import CaseData

#: Wishes about views whose names are those of the sidebar's settings.
_VIEW_WISHES = ("steps", "repaint", "foreground", "background", "precision", "memory")


def needed_views(settings: TEETH_PG_scene) -> tuple[View, ...]:
    """The photos that the chosen jaws need."""
    return views_needed(Jaws(settings.jaws))


def missing_views(settings: TEETH_PG_scene) -> tuple[View, ...]:
    """Needed photos whose slot is empty."""
    return tuple(view for view in needed_views(settings) if not settings.slot(view).filepath)


def photo_paths(settings: TEETH_PG_scene) -> tuple[str, ...]:
    """The files that a job gets, in the order of the views."""
    return tuple(_slot(settings, view)["path"] for view in needed_views(settings))


def masks_path(settings: TEETH_PG_scene) -> str | None:
    """The folder of label images that a job gets."""
    chosen = bpy.path.abspath(settings.masks_folder)
    return str(Path(chosen).absolute()) if chosen else None


def new_case_folder() -> Path:
    """A folder that does not exist yet, named without anything of the patient's."""
    return cases_root() / f"case-{time.strftime('%Y%m%d')}-{secrets.token_hex(2)}"


def build_request(settings: TEETH_PG_scene, output: Path) -> dict[str, Any]:
    """The JSON form of ``ReconstructRequest``.

    Args:
        settings: the scene's settings.
        output: the case folder to write or to resume.
    """
    slots = [_slot(settings, view) for view in needed_views(settings)]
    return {
        "photos": str(Path(slots[0]["path"]).parent),
        "output": str(output),
        "masks": masks_path(settings),
        "mask_values": settings.mask_values,
        "jaws": settings.jaws,
        "known_lengths": [f"{length.teeth.strip()}={length.mm:.3f}" for length in settings.known_lengths],
        "seed": settings.seed,
        "slots": slots,
        "trust_views": settings.trust_views,
        "absent_teeth": sorted(settings.absent_teeth),
        "engine": settings.engine,
        "views": _views(settings.views),
    }


def are_photos_of(settings: TEETH_PG_scene, case: CaseData) -> bool:
    """Whether a job's photos are those that a case was made of; files tell it by what they hold.

    Names and places may be anyone's. A case of an engine that noted nothing is believed, and of a file that
    cannot be read the engine will tell.
    """
    try:
        given = {hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in photo_paths(settings)}
    except OSError:
        return True
    return not case.photo_hashes or given <= case.photo_hashes


def take_over(settings: TEETH_PG_scene, request: Mapping[str, Any]) -> None:
    """Let the sidebar say what a case was asked with, so that what is applied to it changes nothing else.

    Files are not taken over: a case names none. What another version of the engine knows and this one does
    not stays as it is.
    """
    views = request.get("views") or {}
    wishes = [(settings, name, request.get(name)) for name in ("engine", "jaws", "seed")]
    wishes += [(settings.views, name, views.get(name)) for name in _VIEW_WISHES]
    if views:
        wishes.append((settings.views, "surface", views.get("surface") or "auto"))
        settings.views.preview = False
    for owner, name, value in wishes:
        if value is not None:
            with suppress(TypeError, ValueError):
                setattr(owner, name, value)
    settings.known_lengths.clear()
    for text in request.get("known_lengths", ()):
        teeth, _, mm = str(text).partition("=")
        with suppress(ValueError):
            value = float(mm)
            length = settings.known_lengths.add()
            length.teeth, length.mm = teeth, value


def _views(views: TEETH_PG_views) -> dict[str, Any]:
    """The JSON form of ``ViewWishes``; the engine chooses where the user did not."""
    return {
        "weights": bpy.path.abspath(views.weights) or None,
        "steps": PREVIEW_STEPS if views.preview else views.steps,
        "repaint": views.repaint,
        "surface": None if views.surface == "auto" else views.surface,
        "preset": None,
        "budget_s": None,
        "foreground": views.foreground,
        "background": views.background,
        "precision": views.precision,
        "memory": views.memory,
    }


def _slot(settings: TEETH_PG_scene, view: View) -> dict[str, Any]:
    slot = settings.slot(view)
    return {
        "view": int(view),
        "path": bpy.path.abspath(slot.filepath),
        "quarter_turns": slot.quarter_turns,
        "mirrored": slot.mirrored,
    }
