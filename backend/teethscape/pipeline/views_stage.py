"""Stages PAINT and WRAP: the engine ``teethdreamer`` after the parametric fit.

Views of each jaw are painted from its masked photos and compared with the fitted teeth; a surface is made
of those, started from the fitted teeth and cut into teeth by them. What comes out stands where the fit is:
in millimetres, in its bite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from teethscape.anchor.jaw import crowns_of
from teethscape.anchor.report import read_place, report_path
from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, jaw_of, object_name
from teethscape.dental.files import storage_errors, tooth_files, write_json
from teethscape.dental.request import ReconstructRequest
from teethscape.dental.wishes import Preset, SurfaceMethod
from teethscape.errors import RefusedError
from teethscape.libraries import require_full
from teethscape.mesh.ply import read_ply
from teethscape.mesh.solid import Solid
from teethscape.parametric.interface import FitResult, FittedTooth
from teethscape.parametric.penetration import Surface
from teethscape.pipeline.view_notices import jaw_title
from teethscape.progress import AnyStage, Progress, Stage
from teethscape.weights.store import file_sha256, remembered_sha256

#: Share of a part that is done when views may have to be painted again, or a surface to be finished.
_FIRST_ROUND = 0.9
#: Within this distance, mm, of a fitted vertex the surface there is taken for its tangent plane.
_FLAT_MM = 1.0
#: What a case's own strips are named after: not its folder, which may be renamed.
_STRIPS = "case"
#: What helps when a surface is refused.
_REFUSED = "Take another surface method, which keeps the painted views, or another seed, which paints others."
#: Where the report of a surface holds what it depends on.
_KEY = "key"


def require_engine(request: ReconstructRequest) -> Path:
    """The weights of the engine; refuses before any work begins.

    Raises:
        MissingComponentError: libraries or weights are not installed, or those of the surface do not run.
        BadInputError: the weights cannot be used, or the number of steps cannot.
    """
    require_full("The engine teethdreamer")
    from teethscape.diffusion.generate import check_steps
    from teethscape.diffusion.weights_file import weights_of
    from teethscape.segmentation.foreground import require_foreground
    from teethscape.surface.device import require_preset

    check_steps(request.views.steps)
    require_foreground(request.views.foreground)
    require_preset(surface_preset(request), request.device, surface_method(request))
    return weights_of(request.views.weights)


def paint_inputs(case: CaseFolder, request: ReconstructRequest, progress: Progress) -> dict[str, Any]:
    """What painted views depend on besides former stages; refuses as ``require_engine`` does."""
    weights = require_engine(request)
    from teethscape.diffusion.generate import WEIGHTS_NOTE

    note = case.root / "views" / WEIGHTS_NOTE
    digest = remembered_sha256(weights, note, lambda _: progress.check_cancelled())
    wishes = request.views  # the use of memory is left out: it changes no view
    return {
        "weights": digest,
        "steps": wishes.steps,
        "repaint": wishes.repaint,
        "background": wishes.background.value,
        "precision": wishes.precision.value,
    }


def surface_method(request: ReconstructRequest) -> SurfaceMethod:
    """The one that is asked for, else NeuS where there is a graphics processor and the grid elsewhere."""
    from teethscape.surface.device import uses_card

    usual = SurfaceMethod.NEUS if uses_card(request.device) else SurfaceMethod.GRID
    return request.views.surface or usual


def surface_preset(request: ReconstructRequest) -> Preset:
    """The one that is asked for, else our own: small where the larger one cannot be computed."""
    from teethscape.surface.device import chosen_preset

    return chosen_preset(request.views.preset, request.device, surface_method(request))


def wrap_inputs(request: ReconstructRequest) -> dict[str, Any]:
    """What surfaces depend on besides former stages."""
    method, preset = surface_method(request), surface_preset(request)
    wishes = request.views
    return {
        "surface": method.value,
        "preset": preset.value,
        "budget_s": wishes.budget_s,
        "foreground": wishes.foreground.value,
    }


def paint_views(
    case: CaseFolder, request: ReconstructRequest, result: FitResult, progress: Progress
) -> dict[Jaw, Path]:
    """Paint the views of all jaws into ``views/`` and compare them with the fit.

    Raises:
        RefusedError: the views show other teeth than the photos.
    """
    from teethscape.diffusion.generate import GenerateRequest, generate, require_agreement
    from teethscape.diffusion.painter import SEED, Recipe

    _take_over_strips(case, request)
    wishes = request.views
    recipe = Recipe(wishes.steps, SEED + request.seed, white=wishes.background.lays_on_white)
    job = GenerateRequest(
        case.root, case.root / "views", wishes.weights, request.jaws, recipe, wishes.background,
        request.device, wishes.precision, wishes.memory, repaint=wishes.repaint, name=_STRIPS,
    )  # fmt: skip
    done = generate(job, Folded(progress, Stage.PAINT, len(request.jaws.members)), crowns_of(result))
    require_agreement(done)
    return dict(zip(request.jaws.members, (one.file for one in done), strict=True))


def painted_strips(case: CaseFolder, request: ReconstructRequest) -> dict[Jaw, Path]:
    """Where the strips of a finished stage lie."""
    return {jaw: case.root / "views" / f"{_STRIPS}{_ending(jaw)}" for jaw in request.jaws.members}


def _ending(jaw: Jaw) -> str:
    from teethscape.diffusion.pictures import MONTAGE_ENDING

    return f"_{jaw.value}{MONTAGE_ENDING}"


def _take_over_strips(case: CaseFolder, request: ReconstructRequest) -> None:
    """Rename strips that an older version has named after the folder, whose name may be another by now.

    Of several the newest is taken. The strip comes last, so that an interruption leaves one to begin with.
    """
    for jaw, strip in painted_strips(case, request).items():
        older = [] if strip.is_file() else list(strip.parent.glob(f"*{_ending(jaw)}"))
        if not older:
            continue
        newest = max(older, key=lambda path: path.stat().st_mtime_ns)
        with storage_errors(strip.parent):
            for old, new in zip(strip_files(newest)[::-1], strip_files(strip)[::-1], strict=True):
                if old.is_file():
                    old.replace(new)


def strip_files(strip: Path) -> list[Path]:
    """A strip and what lies beside it: how it was made, and how it agrees with the fit."""
    return [strip, strip.with_suffix(".json"), report_path(strip)]


@dataclass(frozen=True, eq=False)
class Wrapping:
    """What surfaces are made of.

    Attributes:
        case: where they are written.
        request: how.
        result: the fit that they start from.
        strips: painted views of each jaw.
        key: of the stage.
    """

    case: CaseFolder
    request: ReconstructRequest
    result: FitResult
    strips: Mapping[Jaw, Path]
    key: str

    def key_of(self, jaw: Jaw) -> str:
        """What a jaw's surface depends on; one whose report says the same is kept."""
        return f"{self.key} {file_sha256(self.strips[jaw])}"


def wrap_views(work: Wrapping, progress: Progress) -> list[Path]:
    """Make the surfaces of all jaws, and of each tooth, into ``meshes/surface/``; the files.

    A jaw that a cancelled run had finished is kept; what another run has left of one is removed.
    """
    folded = Folded(progress, Stage.WRAP, len(work.strips))
    for jaw in work.strips:
        folded.subject = jaw_title(jaw)
        if not _is_wrapped(work.case, jaw, work.key_of(jaw)):
            _remove_surface(work.case, jaw)
            _wrap(work, jaw, folded)
        folded.next_part()
    return [path for jaw in work.strips for path in _surface_files(work.case, jaw)]


def _wrap(work: Wrapping, jaw: Jaw, progress: Progress) -> None:
    """Make the surface of a jaw; its report learns the key last of all.

    Raises:
        RefusedError: as `make_surface` does, and of which jaw.
    """
    from teethscape.surface.frame import anchored_frame
    from teethscape.surface.make import make_surface
    from teethscape.surface.request import SurfaceRequest

    case, request, result = work.case, work.request, work.result
    solids = {fdi: Solid(object_name(fdi), t.vertices, t.faces) for fdi, t in result.teeth.items()}
    job = SurfaceRequest(
        work.strips[jaw], surface_file(case, jaw), surface_method(request), surface_preset(request), jaw,
        foreground=request.views.foreground, budget_s=request.views.budget_s, device=request.device,
        seed=request.seed,
    )  # fmt: skip
    frame = anchored_frame(read_place(work.strips[jaw]), solids, result.scale, jaw)
    try:
        report = make_surface(job, progress, frame)
    except RefusedError as error:  # both jaws have a view 9, and no view can be left out here
        raise RefusedError(error.code, f"{jaw_title(jaw)}: {error.message}", _REFUSED) from error
    write_json(_surface_report(case, jaw), {**report, _KEY: work.key_of(jaw)})


def _is_wrapped(case: CaseFolder, jaw: Jaw, key: str) -> bool:
    """Whether the surface of a jaw is whole and has a key."""
    try:
        report = json.loads(_surface_report(case, jaw).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    if not isinstance(report, dict) or report.get(_KEY) != key:
        return False
    return surface_file(case, jaw).is_file() and set(report.get("teeth", [])) == set(_tooth_files(case, jaw))


def _remove_surface(case: CaseFolder, jaw: Jaw) -> None:
    """Everything but the checkpoint, which knows what it belongs to."""
    preview = surface_file(case, jaw).with_suffix(".preview.ply")
    for path in [*_surface_files(case, jaw), preview]:
        path.unlink(missing_ok=True)


def _surface_report(case: CaseFolder, jaw: Jaw) -> Path:
    """Where the report of a jaw's surface is written."""
    return surface_file(case, jaw).with_suffix(".json")


def _surface_files(case: CaseFolder, jaw: Jaw) -> list[Path]:
    return [surface_file(case, jaw), _surface_report(case, jaw), *_tooth_files(case, jaw).values()]


def surface_file(case: CaseFolder, jaw: Jaw) -> Path:
    """Where the surface of a jaw is written."""
    return case.root / "meshes" / "surface" / f"{jaw.value}.ply"


def _tooth_files(case: CaseFolder, jaw: Jaw) -> dict[int, Path]:
    return tooth_files(surface_file(case, jaw))


def with_surfaces(case: CaseFolder, result: FitResult) -> FitResult:
    """The fit with the surfaces in place of its crowns; teeth that the surfaces lack stay, with a notice."""
    files = {fdi: path for jaw in Jaw for fdi, path in _tooth_files(case, jaw).items()}
    teeth = {
        fdi: replaced(tooth, read_ply(files[fdi])[0]) if fdi in files else tooth
        for fdi, tooth in result.teeth.items()
    }
    jaws = {jaw_of(fdi) for fdi in files}
    kept = [str(fdi) for fdi in result.teeth if fdi not in files and jaw_of(fdi) in jaws]
    told = f"The surface does not show {', '.join(kept)}: as fitted there."
    return replace(result, teeth=teeth, notices=(*result.notices, told) if kept else result.notices)


def replaced(tooth: FittedTooth, surface: Solid) -> FittedTooth:
    """A tooth of another shape; what is known of its vertices is that of the nearest fitted ones.

    Photos and views are two witnesses of one surface: where they differ, nobody knows which is right, so the
    distance between them adds to the standard deviation.
    """
    vertices, fitted = np.asarray(surface.vertices, float), Surface.of(tooth.vertices, tooth.faces)
    far, near = fitted.tree.query(vertices)
    to_plane, _ = fitted.signed_distance(vertices, np.inf)
    apart = np.where(far > _FLAT_MM, far, np.abs(to_plane))
    return replace(
        tooth,
        vertices=vertices,
        faces=surface.faces.astype(np.int32),
        sigma_mm=np.hypot(tooth.sigma_mm[near], apart),
        inferred=tooth.inferred[near],
        cap=tooth.cap[near],
    )


class Folded:
    """A progress that shows the stages of another job as parts of one stage.

    Args:
        progress: told in the end.
        stage: the one stage.
        parts: equal parts of the work, one per jaw.

    Attributes:
        subject: what warnings are about, when they do not say so themselves.
    """

    def __init__(self, progress: Progress, stage: Stage, parts: int) -> None:
        self._progress, self._stage, self._parts = progress, stage, max(parts, 1)
        self._done, self._furthest = 0, 0.0
        self.subject = ""

    def next_part(self) -> None:
        """A part is complete."""
        self._done = min(self._done + 1, self._parts)
        self._furthest = max(self._furthest, self._done / self._parts)

    def stage(self, name: AnyStage, fraction: float, message: str = "") -> None:
        """Report; the bar never goes back."""
        if name.value in ("sample", "surface"):
            reached = min(self._done + _FIRST_ROUND * min(fraction, 1.0), self._parts)
            self._furthest = max(self._furthest, reached / self._parts)
        elif name.value == "compare" and fraction >= 1:
            self.next_part()
        words = f"{self._stage.label}: {message}" if message else name.label
        self._progress.stage(self._stage, self._furthest, words)

    def check_cancelled(self) -> None:
        """Ask whether to stop."""
        self._progress.check_cancelled()

    def warn(self, code: str, message: str) -> None:
        """Pass a warning on."""
        self._progress.warn(code, f"{self.subject}: {message}" if self.subject else message)
