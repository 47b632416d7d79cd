"""Painted jaws of a case: compared with its fitted teeth, and bad views painted again (needs torch)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from teethscape.anchor.compare import compare
from teethscape.anchor.jaw import FittedJaw
from teethscape.anchor.painted import painted_views
from teethscape.anchor.report import JawReport, write_report
from teethscape.anchor.sequences import Change
from teethscape.dental.case import CaseFolder
from teethscape.dental.files import write_json, write_with
from teethscape.diffusion.held import Held
from teethscape.diffusion.painter import Painter, Recipe, Watching
from teethscape.diffusion.pictures import Floats, montage
from teethscape.diffusion.sources import JawPhotos
from teethscape.pipeline.montage import read_montage
from teethscape.progress import GenerateStage, Progress
from teethscape.weights.store import file_sha256

#: With fewer good views than this nothing is held: they would tell too little of the jaw.
_FEWEST_HELD = 2
#: Key of the record beside a strip that lists the rounds.
_ROUNDS = "repainted"


@dataclass(frozen=True)
class Rounds:
    """How bad views are painted again.

    Attributes:
        most: rounds at the most; those of earlier runs count.
        recipe: how the strip was painted; each round takes the next seed.
        painter: loads the networks when they are needed.
    """

    most: int
    recipe: Recipe
    painter: Callable[[], Painter]


def is_anchorable(source: Path) -> bool:
    """Whether a source is a finished case, with teeth to compare with."""
    case = CaseFolder(source)
    return case.record_path.is_file() and case.read_record()["status"] == "done"


def anchored(fitted: FittedJaw, jaw: JawPhotos, strip: Path, rounds: Rounds, progress: Progress) -> JawReport:
    """Compare a strip with its fitted jaw, paint bad views again, write the report beside it.

    A round is kept when its strip agrees better: first in the count of teeth, then in the number of views
    that agree, then in outlines.

    Raises:
        BadInputError: the strip is damaged.
        CancelledError: the user has cancelled; the best strip so far stays.
    """
    record_file = strip.with_suffix(".json")
    progress.stage(GenerateStage.COMPARE, 0.0, jaw.name)
    tiles = read_montage(strip)
    best = compare(fitted, painted_views(tiles, jaw.jaw), jaw.name)
    record: dict[str, Any] = json.loads(record_file.read_text("utf-8"))
    told: list[dict[str, Any]] = record.setdefault(_ROUNDS, [])
    for number in range(len(told), rounds.most):
        views = _bad_views(best)
        if not views:
            break
        progress.check_cancelled()
        recipe = replace(rounds.recipe, seed=rounds.recipe.seed + number + 1)
        pictures = _painted_again((jaw, tiles, views), recipe, rounds.painter(), progress)
        best, tiles, kept = _better((best, tiles), pictures, fitted)
        names = [best.views[view].name for view in views]
        told.append({"seed": recipe.seed, "views": names, "kept": kept})
        _write(strip, tiles if kept else None, record)
    write_report(strip, best)
    progress.stage(GenerateStage.COMPARE, 1.0, jaw.name)
    return best


def _bad_views(report: JawReport) -> tuple[int, ...]:
    """The views to paint again; all where the count is wrong in no single view."""
    everything = tuple(range(len(report.views)))
    bad = report.disagreeing
    if report.count.change is not Change.NONE and not bad:
        return everything
    return bad if len(report.views) - len(bad) >= _FEWEST_HELD else everything


def _painted_again(
    what: tuple[JawPhotos, list[np.ndarray], tuple[int, ...]],
    recipe: Recipe,
    painter: Painter,
    progress: Progress,
) -> Floats:
    jaw, tiles, views = what
    which = "1 view is" if len(views) == 1 else f"{len(views)} views are"
    progress.warn("views_repainted", f"{jaw.name}: {which} painted again, seed {recipe.seed}.")
    stack = np.stack(tiles).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - np.float32(1)
    good = frozenset(range(len(tiles) // 2)) - set(views)
    return painter.paint(jaw, recipe, Watching(progress), Held(stack, good) if good else None)


def _better(
    former: tuple[JawReport, list[np.ndarray]], pictures: Floats, fitted: FittedJaw
) -> tuple[JawReport, list[np.ndarray], bool]:
    """The better of two strips with its report, and whether it is the new one."""
    report, tiles = former
    strip = montage(pictures)
    fresh = list(strip.reshape(strip.shape[0], -1, strip.shape[0], 3).transpose(1, 0, 2, 3).copy())
    found = compare(fitted, painted_views(fresh, report.jaw), report.name)
    return (found, fresh, True) if found.merit > report.merit else (report, tiles, False)


def _write(strip: Path, tiles: list[np.ndarray] | None, record: dict[str, Any]) -> None:
    """The strip, when it is a new one, and its record."""
    if tiles is not None:
        image = Image.fromarray(np.concatenate(tiles, axis=1))
        write_with(strip, lambda stream: image.save(stream, "PNG"))
        record["sha256"] = file_sha256(strip)
    write_json(strip.with_suffix(".json"), record)
