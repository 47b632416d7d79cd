"""Five photos in, a case folder out: the use-case behind CLI, worker, add-on and Python."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teethscape.dental.case import CaseFolder
from teethscape.dental.photos import Photo
from teethscape.dental.request import MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import CancelledError, ResourceError, TeethscapeError
from teethscape.parametric.interface import FitInputs, FitResult, PhotoGeometry
from teethscape.pipeline.evidence import find_labels, labels_from_masks, order_photos
from teethscape.pipeline.fit_checkpoint import load_fit, save_fit
from teethscape.pipeline.mesh_stage import write_exports, write_fdi_masks, write_meshes
from teethscape.pipeline.overlay_stage import write_overlays
from teethscape.pipeline.photo_stage import identity, load_photos, read_photos, save_photos
from teethscape.pipeline.record import CaseRecord
from teethscape.pipeline.runner import StageRunner
from teethscape.pipeline.segment_stage import Labels, load_labels, save_labels
from teethscape.progress import Progress, Stage

log = logging.getLogger(__name__)


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
    clock = _Clock()
    case = CaseFolder(request.output)
    case.check()
    progress.stage(Stage.PHOTOS, 0.0)
    photos = read_photos(request)
    masks = None if request.masks is None else labels_from_masks(request, photos, progress)
    progress.stage(Stage.PHOTOS, 1.0)
    with case.locked(), _logged(case):
        job = _Job(case, request, progress)
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


class _Job:
    """One locked run over one case."""

    def __init__(self, case: CaseFolder, request: ReconstructRequest, progress: Progress) -> None:
        self.case, self.request, self.progress = case, request, progress
        self.record = CaseRecord(case, request)
        self.runner = StageRunner(case, progress, self.record.running)

    def run(self, photos: Mapping[View, Photo], masks: tuple[dict[View, Photo], Labels] | None) -> FitResult:
        """All stages in order."""
        photos = self._recognise(photos, masks)
        labels = self._segment(photos, None if masks is None else masks[1])
        result = self._fit(photos, labels)
        self.record.add_fit(result, labels.source)
        self._write(photos, labels, result)
        return result

    def _recognise(
        self, photos: Mapping[View, Photo], masks: tuple[dict[View, Photo], Labels] | None
    ) -> Mapping[View, Photo]:
        """Photos in their true views, upright, stored as working copies."""

        def make() -> tuple[Mapping[View, Photo], list[Path]]:
            ordered = masks[0] if masks else order_photos(self.request, photos, self.progress)
            return ordered, save_photos(self.case, ordered)

        inputs = {
            "photos": identity(masks[0] if masks else photos),
            "jaws": self.request.jaws.value,
            "trust": self.request.trust_views or masks is not None,
        }
        found = self.runner.run(Stage.RECOGNISE, inputs, make, lambda: load_photos(self.case))
        self.record.add_photos(found)
        self._notice("photo", [f"{p.source.name}: {notice}" for p in found.values() for notice in p.notices])
        return found

    def _segment(self, photos: Mapping[View, Photo], given: Labels | None) -> Labels:
        """Label images: the user's, or the network's."""

        def make() -> tuple[Labels, list[Path]]:
            labels = given
            if labels is None or labels.kind is MaskValues.JAWS:
                labels = find_labels(photos, labels, self.progress)
            return labels, save_labels(self.case, labels)

        inputs = {
            "kind": given.kind.value if given else "",
            "masks": [] if given is None else [_array_hash(image) for image in given.images.values()],
        }
        labels = self.runner.run(Stage.SEGMENT, inputs, make, lambda: load_labels(self.case))
        self._notice("masks", labels.notices)
        return labels

    def _fit(self, photos: Mapping[View, Photo], labels: Labels) -> FitResult:
        """The parametric model fitted to the labels."""
        request, path = self.request, self.case.log / "fit.npz"

        def make() -> tuple[FitResult, list[Path]]:
            from teethscape.parametric.engine import fit_case

            inputs = FitInputs(
                photos={view: PhotoGeometry(*photo.size, photo.focal_35mm) for view, photo in photos.items()},
                labels=labels.images,
                label_kind=labels.kind,
                jaw_hint=labels.jaw_of,
                kind_hint=labels.kind_of,
                jaws=request.jaws,
                known_lengths=request.known_lengths,
                seed=request.seed,
                absent_teeth=request.absent_teeth,
            )
            result = fit_case(inputs, self.progress)
            save_fit(path, result)
            return result, [path]

        wishes = {
            "engine": request.engine.value,
            "known_lengths": [str(length) for length in request.known_lengths],
            "seed": request.seed,
            "absent": list(request.absent_teeth),
        }
        return self.runner.run(Stage.FIT, wishes, make, lambda: load_fit(path))

    def _write(self, photos: Mapping[View, Photo], labels: Labels, result: FitResult) -> None:
        """Meshes, masks, overlays and exports."""
        case, run = self.case, self.runner.run

        def meshes() -> tuple[None, list[Path]]:
            masks = write_fdi_masks(case, labels.images, result.numbering)
            return None, [*masks, *write_meshes(case, result)]

        run(Stage.MESHES, {}, meshes, _nothing)
        run(
            Stage.OVERLAYS,
            {},
            lambda: (None, write_overlays(case, photos, result, self.progress)),
            _nothing,
        )
        kinds = sorted(set(self.request.exports))
        if kinds:
            run(
                Stage.EXPORT,
                {"exports": [kind.value for kind in kinds]},
                lambda: (None, write_exports(case, result, kinds)),
                _nothing,
            )
        self.progress.stage(Stage.DONE, 1.0)

    def _notice(self, code: str, notices: list[str] | tuple[str, ...]) -> None:
        for notice in notices:
            self.progress.warn(code, notice)
        self.record.add_notices(notices)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Leave the outcome in ``case.json`` and the journal, whatever it is."""
        try:
            yield
            self.case.journal.append("done")
        except (CancelledError, KeyboardInterrupt):
            self._stopped("cancelled", None)
            raise
        except MemoryError:
            error = ResourceError(
                "out_of_memory", "There is not enough memory.", "Close other programs, then run it again."
            )
            self._stopped("failed", error)
            raise error from None
        except TeethscapeError as error:
            self._stopped("failed", error)
            raise
        except Exception:
            log.exception("the engine made a mistake")
            advice = f"Send {self.case.log / 'engine.log'} with a report."
            self._stopped("failed", ResourceError("internal", "The engine made a mistake.", advice))
            raise

    def _stopped(self, status: str, error: TeethscapeError | None) -> None:
        try:
            self.record.stopped(status, error)
            self.case.journal.append(status, code=error.code if error else status)
        except TeethscapeError as second:  # a full disk: the first error is the one to show
            log.warning("the outcome could not be written: %s", second)


def _nothing() -> None:
    """Stages that only write files have nothing to read back."""


def _array_hash(image: Any) -> str:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def _summary(job: _Job, result: FitResult, clock: _Clock) -> CaseSummary:
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
