"""Five photos in, a case folder out: the use-case behind CLI, worker, add-on and Python."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teethscape.abilities import require_known
from teethscape.dental.case import CaseFolder
from teethscape.dental.request import Engine, ReconstructRequest
from teethscape.parametric.interface import FitResult
from teethscape.pipeline.evidence import labels_from_masks
from teethscape.pipeline.job import Job
from teethscape.pipeline.photo_stage import read_photos
from teethscape.pipeline.view_order import needed
from teethscape.pipeline.views_stage import require_engine
from teethscape.progress import Progress, Stage


@dataclass(frozen=True)
class CaseSummary:
    """What a reconstruction found.

    Attributes:
        case: the case folder.
        teeth: FDI numbers of the crowns.
        scale: absolute size in words.
        scale_source: where it comes from.
        scale_relative_sigma: its relative standard deviation.
        notices: sentences for the user.
        resumed: stages that a former run had finished.
        wall_s: wall time of this run, seconds.
        cpu_s: processor time of this run, seconds.
    """

    case: Path
    teeth: tuple[int, ...]
    scale: str
    scale_source: str
    scale_relative_sigma: float
    notices: tuple[str, ...]
    resumed: tuple[str, ...]
    wall_s: float
    cpu_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values for ``--json`` and the worker's result."""
        return {
            "case": str(self.case),
            "teeth": list(self.teeth),
            "scale": {
                "source": self.scale_source,
                "relative_sigma": self.scale_relative_sigma,
                "text": self.scale,
            },
            "notices": list(self.notices),
            "resumed": list(self.resumed),
            "wall_s": round(self.wall_s, 2),
            "cpu_s": round(self.cpu_s, 2),
        }


def reconstruct(request: ReconstructRequest, progress: Progress) -> CaseSummary:
    """Reconstruct the teeth of one patient into a case folder, or resume doing so.

    Bad photos and masks are refused before anything is written.  A run that was
    cancelled or killed is continued by the same request: finished stages are
    taken from the case folder.

    Raises:
        TeethscapeError: with code, message and advice for the user.
    """
    require_known(request.engine)
    clock = _Clock()
    case = CaseFolder(request.output)
    case.check()
    if request.engine is Engine.TEETHDREAMER:
        require_engine(request)
    progress.stage(Stage.PHOTOS, 0.0)
    photos = read_photos(request)
    masks = (
        None if request.masks is None else labels_from_masks(request, needed(photos, request.jaws), progress)
    )
    progress.stage(Stage.PHOTOS, 1.0)
    with case.locked(), _logged(case):
        job = Job(case, request, progress)
        with job.recorded():
            result = job.run(photos, masks)
            job.record.done(clock.wall_s, clock.cpu_s)
        return _summary(job, result, clock)


class _Clock:
    """Time since the start of a run."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    @property
    def wall_s(self) -> float:
        """Wall time, seconds."""
        return time.monotonic() - self._wall

    @property
    def cpu_s(self) -> float:
        """Processor time of this process, seconds."""
        return time.process_time() - self._cpu


def _summary(job: Job, result: FitResult, clock: _Clock) -> CaseSummary:
    return CaseSummary(
        case=job.case.root,
        teeth=tuple(sorted(result.teeth)),
        scale=result.scale.sentence(),
        scale_source=result.scale.source.value,
        scale_relative_sigma=result.scale.relative_sigma,
        notices=job.record.notices,
        resumed=tuple(stage.value for stage in job.runner.resumed),
        wall_s=clock.wall_s,
        cpu_s=clock.cpu_s,
    )


@contextmanager
def _logged(case: CaseFolder) -> Iterator[None]:
    """Everything that the engine logs also goes to ``log/engine.log``."""
    handler = logging.FileHandler(case.log / "engine.log", encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("teethscape")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
