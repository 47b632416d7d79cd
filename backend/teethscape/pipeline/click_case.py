"""Clicks on the photos of a case, one request at a time: what Blender's Image Editor asks the worker.

Photos stay prepared between requests, so that a click costs only its own arithmetic.
Corrected label images lie in ``masks/corrected/{0..4}.png``, in the pose of the photos' own files; a
reconstruction takes them as masks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.case import CaseFolder
from teethscape.dental.json_values import path_of, truth
from teethscape.dental.masks import FIRST_UNNAMED, ids_of
from teethscape.dental.photos import Photo
from teethscape.dental.views import View
from teethscape.errors import BadInputError, unreadable_request
from teethscape.pipeline.corrected_masks import (
    corrected_folder,
    current_labels,
    keep_labels,
    outlines,
    proposed_tooth,
    unnamed_tooth,
    with_tooth,
)
from teethscape.pipeline.photo_stage import load_photos
from teethscape.progress import Progress, ToolStage
from teethscape.segmentation.clicks.engines import make_engine
from teethscape.segmentation.clicks.interface import (
    ClickEngine,
    ClickEngineName,
    ClickMask,
    Clicks,
    Mask,
    PreparedPhoto,
)

#: Prepared photos that are kept: one patient.
_KEPT = 5


class Action(str, Enum):
    """What a request asks for."""

    PREPARE = "prepare"
    CLICK = "click"
    ACCEPT = "accept"

    __str__ = str.__str__


@dataclass(frozen=True)
class CaseClick:
    """One request.

    Attributes:
        case: the case folder.
        view: which of its photos.
        action: prepare the photo, draw a mask, or draw it and keep it.
        clicks: pixels of the case's upright copy of the photo.
        engine: who draws.
        tooth: FDI number for ``accept``; 0 for the one that is proposed.
    """

    case: Path
    view: View
    action: Action
    clicks: Clicks
    engine: ClickEngineName
    tooth: int = 0

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> CaseClick:
        """Build a request from JSON values.

        Raises:
            UsageError: a value is missing, misspelt or of the wrong type.
        """
        try:
            points = [(float(x), float(y), truth(adds)) for x, y, adds in values.get("points", ())]
            box = values.get("box")
            return CaseClick(
                path_of(values["output"]),
                View(int(values["view"])),
                Action(values["action"]),
                Clicks(
                    tuple((x, y) for x, y, _ in points),
                    tuple(adds for *_, adds in points),
                    None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                ),
                ClickEngineName(values.get("engine", "net")),
                int(values.get("tooth", 0)),
            )
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise unreadable_request(error) from error


class CaseClicker:
    """Answers requests; lives as long as the worker."""

    def __init__(self) -> None:
        self._engines: dict[ClickEngineName, ClickEngine] = {}
        self._ready: OrderedDict[tuple[str, int, str], PreparedPhoto] = OrderedDict()
        self._case: tuple[str, Mapping[View, Photo]] | None = None
        self._known: tuple[str, NDArray[np.int32]] | None = None
        self._last: tuple[tuple[str, int, str], Clicks, ClickMask] | None = None

    def answer(self, request: CaseClick, progress: Progress) -> dict[str, Any]:
        """Do what is asked.

        Returns:
            JSON values: size of the photo; for a click the outlines of the drawn mask with the tooth
            that it seems to be; else the outlines of all teeth, of those without a number apart.

        Raises:
            BadInputError: the case has no such photo or no masks.
            MissingComponentError: the engine is not installed.
        """
        case = CaseFolder(request.case)
        photos = self._photos(case)
        if request.view not in photos:
            raise BadInputError(
                "file_missing", f"The case has no {request.view.title} photo.", "Choose another."
            )
        photo = photos[request.view]
        progress.stage(ToolStage.PREPARE, 0.0)
        ready = self._prepared(request, photo)
        progress.stage(ToolStage.CLICK, 0.0)
        labels = self._labels(case, request.view, photo)
        answer: dict[str, Any] = {"width": photo.size[0], "height": photo.size[1]}
        if request.action is not Action.PREPARE:
            drawn = self._drawn(request, ready, labels)
            tooth = request.tooth or proposed_tooth(labels, drawn.mask)
            answer |= {"tooth": tooth, "score": round(drawn.score, 3), "mask": outlines(drawn.mask)}
            if request.action is Action.CLICK:
                return answer  # the teeth are as they were
            labels = with_tooth(labels, drawn.mask, tooth)
            keep_labels(case, photos, request.view, labels)
        known = {n: outlines(labels == n) for n in ids_of(labels)}
        teeth = {str(n): drawn for n, drawn in known.items() if n < FIRST_UNNAMED}
        return {**answer, "teeth": teeth, "unnamed": [known[n] for n in known if n >= FIRST_UNNAMED]}

    def _photos(self, case: CaseFolder) -> Mapping[View, Photo]:
        """The case's photos, decoded once as long as they stay the same."""
        key = _stamp(case.log / "photos.json")
        if self._case is None or self._case[0] != key:
            self._case = (key, _photos(case))
        return self._case[1]

    def _labels(self, case: CaseFolder, view: View, photo: Photo) -> NDArray[np.int32]:
        """`current_labels`, read once as long as the files stay the same."""
        files = corrected_folder(case) / f"{view.value}.png", case.mask(view), case.instances(view)
        key = "".join(_stamp(path) for path in files)
        if self._known is None or self._known[0] != key:
            self._known = (key, current_labels(case, view, photo))
        return self._known[1]

    def _prepared(self, request: CaseClick, photo: Photo) -> PreparedPhoto:
        key = self._key(request, photo)
        if key not in self._ready:
            if request.engine not in self._engines:
                self._engines[request.engine] = make_engine(request.engine)
            self._ready[key] = self._engines[request.engine].prepare(photo.pixels)
            while len(self._ready) > _KEPT:
                self._ready.popitem(last=False)
        self._ready.move_to_end(key)
        return self._ready[key]

    def _drawn(self, request: CaseClick, ready: PreparedPhoto, labels: NDArray[np.int32]) -> ClickMask:
        """The mask; the last answer helps when these clicks continue the last ones.

        One click on a tooth that was found and has no number takes it as it is.
        """
        key = next(reversed(self._ready))
        if self._last is not None and self._last[:2] == (key, request.clicks):
            return self._last[2]
        before = None
        if self._last is not None and self._last[0] == key and _continues(request.clicks, self._last[1]):
            before = self._last[2]
        found = unnamed_tooth(labels, request.clicks)
        drawn = _taken(labels == found) if found else ready.click(request.clicks, before)
        self._last = (key, request.clicks, drawn)
        return drawn

    @staticmethod
    def _key(request: CaseClick, photo: Photo) -> tuple[str, int, str]:
        return (
            f"{photo.sha256}-{photo.quarter_turns}-{photo.mirrored}",
            int(request.view),
            request.engine.value,
        )


def _taken(mask: Mask) -> ClickMask:
    """A tooth as it was found."""
    return ClickMask(mask, mask.astype(np.float32), 1.0)


def _continues(clicks: Clicks, former: Clicks) -> bool:
    """Whether clicks are the former ones and at least one more."""
    count = len(former.points)
    same = clicks.points[:count] == former.points and clicks.labels[:count] == former.labels
    return same and clicks.box == former.box and len(clicks.points) > count


def _stamp(path: Path) -> str:
    """Path and time of a file; another text when the file has changed."""
    return f"{path} {path.stat().st_mtime_ns if path.is_file() else 0} "


def _photos(case: CaseFolder) -> Mapping[View, Photo]:
    try:
        return load_photos(case)
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(
            "not_a_case", f"{case.root} holds no photos to click on.", "Reconstruct the case first."
        ) from error
