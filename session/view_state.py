"""What panels draw: snapshots that operators and the timer fill (no bpy data)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..backend.client import JobView
from ..backend.client.installer import InstallerView
from ..scene.case_data import CaseData, ToothRecord

#: Path, turns and flip of each slot.
SlotsKey = tuple[tuple[str, int, bool], ...]


@dataclass(frozen=True)
class ResultView:
    """The case that is shown in a scene."""

    case: CaseData
    teeth: dict[int, ToothRecord]

    @staticmethod
    def of(case: CaseData) -> ResultView:
        """The view of a case."""
        return ResultView(case, {tooth.fdi: tooth for tooth in case.teeth})


@dataclass
class ViewState:
    """Everything that panels read.

    Attributes:
        engine: the engine and its installation; None until looked at.
        job: the running or last job of this Blender, if any.
        unfinished: jobs that a crash left behind.
        dataset: the running or last rendering of a data set in this Blender, if any.
        unfinished_sets: renderings of data sets that a crash left behind.
        xray: the running or last segmentation of an X-ray in this Blender, if any.
        check: the running or last check of the photos in this Blender, if any.
        checked: what was checked: the slots as they were then, see `photo_check.slots_key`.
        weights: the running or last job about weights in this Blender, if any.
        models: known weights as the engine listed them last; None before it was asked.
        abilities: engines and surface methods as the engine listed them last; None before it was asked.
        asking: the running or last question about them in this Blender, if any.
        clicking: a photo is being clicked; one at a time.
        previews: unfinished surfaces in the scene: their files, and when they were written (ns).
        framed: the case whose first unfinished surface has been brought into view.
        results: shown cases by their folder.
        unreadable: why a case is not shown, by its folder: one that a scene refers to, or that was just made.
    """

    engine: InstallerView | None = None
    job: JobView | None = None
    unfinished: tuple[JobView, ...] = ()
    dataset: JobView | None = None
    unfinished_sets: tuple[JobView, ...] = ()
    xray: JobView | None = None
    check: JobView | None = None
    checked: SlotsKey = ()
    weights: JobView | None = None
    models: tuple[Mapping[str, Any], ...] | None = None
    abilities: Mapping[str, Any] | None = None
    asking: JobView | None = None
    clicking: bool = False
    previews: dict[Path, int] = field(default_factory=dict)
    framed: Path | None = None
    results: dict[Path, ResultView] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)


state = ViewState()
