"""One locked run over one case: the stages in order, and how the run ended."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, Jaws
from teethscape.dental.photos import Photo
from teethscape.dental.request import Engine, MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import CancelledError, ResourceError, TeethscapeError
from teethscape.libraries import card_full
from teethscape.parametric.interface import FitResult
from teethscape.pipeline.evidence import find_labels, run_network, shown_besides
from teethscape.pipeline.fit_checkpoint import fit_path, load_fit, save_fit
from teethscape.pipeline.mesh_stage import coloured, renumbered, write_exports, write_fdi_masks, write_meshes
from teethscape.pipeline.named_masks import with_names
from teethscape.pipeline.overlay_stage import write_overlays
from teethscape.pipeline.photo_stage import identity, load_photos, save_photos
from teethscape.pipeline.record import CaseRecord
from teethscape.pipeline.runner import StageRunner
from teethscape.pipeline.segment_stage import Labels, at_photos, load_labels, save_labels
from teethscape.pipeline.view_notices import painting_notices, surface_notices
from teethscape.pipeline.view_order import has_network, order_photos
from teethscape.progress import Progress, Stage
from teethscape.segmentation.redraw import ToothMaps

if TYPE_CHECKING:
    from teethscape.segmentation.segmenter import Segmentation

log = logging.getLogger(__name__)


class Job:
    """One run.

    Args:
        case: the locked case folder.
        request: what is asked.
        progress: told of every stage.
    """

    def __init__(self, case: CaseFolder, request: ReconstructRequest, progress: Progress) -> None:
        self.case, self.request, self.progress = case, request, progress
        self.record = CaseRecord(case, request)
        self.runner = StageRunner(case, progress, self.record.running)
        self._segmented: Mapping[View, Segmentation] | None = None

    def run(self, photos: Mapping[View, Photo], masks: tuple[dict[View, Photo], Labels] | None) -> FitResult:
        """All stages in order."""
        photos = self._recognise(photos, masks)
        labels = self._segment(photos, None if masks is None else masks[1])
        result = self._fit(photos, labels)
        self._segmented = None  # of large photos some hundred megabytes
        if self.request.engine is Engine.TEETHDREAMER:
            result = self._views(photos, labels, result)
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
            if given is None or _needs_network(given):
                self.progress.stage(Stage.SEGMENT, 0.05, "running the network")
                labels = find_labels(self._found(photos), given)
            else:
                labels = given
            return labels, save_labels(self.case, labels)

        inputs = {
            "kind": given.kind.value if given else "",
            "masks": []
            if given is None
            else [[int(v), _array_hash(image)] for v, image in given.images.items()],
        }
        labels = self.runner.run(Stage.SEGMENT, inputs, make, lambda: load_labels(self.case))
        self._notice("masks", labels.notices)
        return labels

    def _fit(self, photos: Mapping[View, Photo], labels: Labels) -> FitResult:
        """The parametric model fitted to the labels."""
        request, path = self.request, fit_path(self.case)

        def make() -> tuple[FitResult, list[Path]]:
            from teethscape.parametric.engine import fit_case

            inputs = replace(
                labels.evidence(photos),
                jaws=request.jaws,
                known_lengths=request.known_lengths,
                seed=request.seed,
                absent_teeth=request.absent_teeth,
                look=self._look(photos, labels),
                unmirrored=request.trust_views,
            )
            result = fit_case(inputs, self.progress)
            save_fit(path, result)
            return result, [path]

        wishes = {
            "known_lengths": [str(length) for length in request.known_lengths],
            "seed": request.seed,
            "absent": list(request.absent_teeth),
            "unmirrored": request.trust_views,
        }
        return self.runner.run(Stage.FIT, wishes, make, lambda: load_fit(path))

    def _look(
        self, photos: Mapping[View, Photo], labels: Labels
    ) -> Callable[[], Mapping[View, ToothMaps]] | None:
        """What the photos show besides the user's masks; None where the masks have the only word.

        That is where they are for one jaw (bite photos show teeth of the other, too), or the network is not
        there.
        """
        if labels.source != "user" or self.request.jaws is not Jaws.BOTH or not has_network():
            return None
        return lambda: shown_besides(self._found(photos), labels)

    def _found(self, photos: Mapping[View, Photo]) -> Mapping[View, Segmentation]:
        """What the network finds in the photos, looked for once."""
        if self._segmented is None:
            self.progress.check_cancelled()
            self._segmented = run_network(photos)
        return self._segmented

    def _views(self, photos: Mapping[View, Photo], labels: Labels, result: FitResult) -> FitResult:
        """Views painted and made surfaces of, in place of the fitted crowns."""
        from teethscape.pipeline import views_stage

        request, case = self.request, self.case

        def paint() -> tuple[dict[Jaw, Path], list[Path]]:
            write_fdi_masks(case, _final_masks(photos, labels, result))
            painted = views_stage.paint_views(case, request, result, self.progress)
            return painted, [f for strip in painted.values() for f in views_stage.strip_files(strip)]

        asked = views_stage.paint_inputs(case, request, self.progress)
        strips = self.runner.run(Stage.PAINT, asked, paint, lambda: views_stage.painted_strips(case, request))
        self.record.add_notices(painting_notices(strips))

        def wrap() -> tuple[None, list[Path]]:
            work = views_stage.Wrapping(case, request, result, strips, self.runner.key)
            return None, views_stage.wrap_views(work, self.progress)

        self.runner.run(Stage.WRAP, views_stage.wrap_inputs(request), wrap, _nothing)
        self.record.add_notices(surface_notices({jaw: views_stage.surface_file(case, jaw) for jaw in strips}))
        return views_stage.with_surfaces(case, result)

    def _write(self, photos: Mapping[View, Photo], labels: Labels, result: FitResult) -> None:
        """Meshes, masks, overlays and exports."""
        case, run = self.case, self.runner.run
        fdi_masks = cache(lambda: _final_masks(photos, labels, result))
        solids = cache(lambda: coloured(result, photos, fdi_masks()))

        def meshes() -> tuple[None, list[Path]]:
            return None, [*write_fdi_masks(case, fdi_masks()), *write_meshes(case, result, solids())]

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
                lambda: (None, write_exports(case, result.scale, solids(), kinds)),
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
        except Exception as error:
            if (full := card_full(error)) is not None:
                self._stopped("failed", full)
                raise full from error
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


def _final_masks(
    photos: Mapping[View, Photo], labels: Labels, result: FitResult
) -> dict[View, NDArray[np.uint8]]:
    """FDI masks: those that the model helped to draw, else those that were fitted."""
    if not result.drawn:
        return {v: renumbered(mask, result.numbering.get(v, {})) for v, mask in labels.images.items()}
    drawn = at_photos(labels.maps, result.drawn, photos)
    return {v: with_names(image.astype(np.uint8), labels, v) for v, image in drawn.items()}


def _needs_network(given: Labels) -> bool:
    """Whether masks leave numbers or teeth open; where no network is there, outlines alone tell numbers."""
    if given.kind is MaskValues.INSTANCES:
        return has_network()
    return given.kind is not MaskValues.FDI


def _nothing() -> None:
    """Stages that only write files have nothing to read back."""


def _array_hash(image: Any) -> str:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
