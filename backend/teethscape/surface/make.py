"""The use case: views in, a mesh and a report out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.anchor.report import read_place, report_path
from teethscape.dental.files import refuse_folder, require_folder, require_space
from teethscape.dental.wishes import ForegroundName, Preset, SurfaceMethod
from teethscape.errors import BadInputError, RefusedError, UsageError
from teethscape.libraries import require_torch
from teethscape.mesh.align import Similarity
from teethscape.progress import Progress, SurfaceStage
from teethscape.surface.faults import MaskCheck, check_masks
from teethscape.surface.fit_masks import cut_by_fit
from teethscape.surface.frame import Frame, frame_of
from teethscape.surface.grid.field import GridField
from teethscape.surface.grid.looks import prepared
from teethscape.surface.grid.reconstruct import solve_grid
from teethscape.surface.mesh.finish import FinishedMesh, finished
from teethscape.surface.mesh.marching import Array
from teethscape.surface.mesh.paint import Agreement, agreement, view_colours
from teethscape.surface.odd_normals import with_agreeing_normals
from teethscape.surface.read.any import read_views
from teethscape.surface.request import DistanceKind, SurfaceRequest
from teethscape.surface.session import Session, fingerprint
from teethscape.surface.speckle import despeckled
from teethscape.surface.start import arch_field, hull_box, hull_field
from teethscape.surface.tangents import Borders, compared_borders, with_moved_borders
from teethscape.surface.views import Views, directed
from teethscape.surface.write import check_suffix, write_surface

#: Share of a view's mask that a whole surface covers at least.
_WHOLE = 0.6
#: Share of a picture beyond which its mask says nothing.
_FULL = 0.99
_NEEDED_BYTES = 60_000_000
#: Width of a jaw, as far as it decides what is small in things of another size.
_JAW_MM = 60.0
_WITHOUT_TORCH = "Run in the engine's environment: python -m pip install torch; or take --method grid."


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that a method needs.

    Attributes:
        request: what was asked.
        views: those that are believed, their masks' borders moved to where they agree.
        frame: size and place.
        start: makes the start at a pitch, mm.
        session: time, progress, checkpoints.
        key: what a checkpoint belongs to.
        borders: how far the masks' borders were off; None: they were not compared.
    """

    request: SurfaceRequest
    views: Views
    frame: Frame
    start: Callable[[Views, float], GridField]
    session: Session
    key: str
    borders: Borders | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """What a method found.

    Attributes:
        field: signed distance, mm, the views' axes.
        trust: (n views,) 0 for views that were left out.
        colours: (n, 3) points in mm to (n, 3) RGB 0..255, when the method knows them.
    """

    field: GridField
    trust: Array
    colours: Callable[[Array], NDArray[np.uint8]] | None = None


def make_surface(request: SurfaceRequest, progress: Progress, frame: Frame | None = None) -> dict[str, Any]:
    """Make a surface from views and write it.

    Args:
        request: what is asked.
        progress: told of every stage.
        frame: of the views, when the caller knows it better than the request tells.

    Returns:
        The report, as it is also written beside the mesh.

    Raises:
        UsageError: the output's ending is no mesh format, or a number of the request is impossible.
        BadInputError: the output is a folder or lies below a file, the views cannot be read, or lack what
            the method needs.
        MissingComponentError: the method needs a library or a device that is missing.
        RefusedError: unsigned distances are asked for, the masks contradict each other, or the surface is
            empty or half.
        CancelledError: the user has cancelled; the checkpoint stays.
    """
    check_suffix(request.output)
    refuse_folder(request.output)
    _check_numbers(request)
    _refuse_unsigned(request)
    if request.method is not SurfaceMethod.GRID:
        require_torch("The method " + request.method.value, _WITHOUT_TORCH)
        request = _with_preset(request, progress)
    require_folder(request.output.parent)
    require_space(request.output.parent, _NEEDED_BYTES)
    job, dropped = _prepared(request, progress, frame)
    found = _method(request.method)(job)
    progress.stage(SurfaceStage.FINISH, 0.0)
    report = _written(job, found, dropped)
    job.session.clean()
    progress.stage(SurfaceStage.FINISH, 1.0)
    return report


def _check_numbers(request: SurfaceRequest) -> None:
    """Refuse sizes and times that there are not.

    Raises:
        UsageError: the extent is not above zero, or the budget below it.
    """
    extent, budget = request.extent_mm, request.budget_s
    if extent is not None and not 0 < extent < np.inf:
        raise UsageError("usage", f"An extent of {extent:g} mm is none.", "Give millimetres above zero.")
    if budget is not None and not budget >= 0:
        raise UsageError("usage", f"A budget of {budget:g} seconds is none.", "Give zero or more seconds.")


def _refuse_unsigned(request: SurfaceRequest) -> None:
    """The zero set of an unsigned distance is an open sheet, which no promise of a closed body covers.

    Raises:
        RefusedError: unsigned distances were asked for.
    """
    if request.distance is DistanceKind.UNSIGNED:
        raise RefusedError(
            "distance_unsigned",
            "Surfaces are not made of unsigned distances: they would be open and could be no closed body.",
            "Leave --distance out; crowns are closed where no view shows them.",
        )


def _with_preset(request: SurfaceRequest, progress: Progress) -> SurfaceRequest:
    """The request with settings that fit the machine; warns of others."""
    from teethscape.surface.device import chosen_preset, torch_device

    preset = chosen_preset(request.preset, request.device)
    if torch_device(request.device).type == "cpu" and preset is not Preset.SMALL:
        told = f"The preset {preset} is for a graphics processor: without one a step of it takes seconds."
        progress.warn("cpu_slow", f"{told} Take --preset small, or --method grid.")
    return replace(request, preset=preset)


def _prepared(
    request: SurfaceRequest, progress: Progress, frame: Frame | None
) -> tuple[Job, tuple[str, ...]]:
    """Read and check the views; the job, and the names of views that are not believed."""
    progress.stage(SurfaceStage.VIEWS, 0.0)
    views = read_views(request)
    if request.method is SurfaceMethod.GRID:
        views = _where_normals_are(views)
    frame = frame or frame_of(views, request.extent_mm, request.case, _place_of(request))
    if request.foreground is ForegroundName.FIT:
        views = cut_by_fit(views, frame)
    _refuse_opaque(request, views)
    views = _smooth(views, progress)
    views, dropped = believed(views, progress)
    views, borders = _corrected(views, progress)
    if request.method is not SurfaceMethod.GRID:  # which compares normals itself, and goes on from there
        start = _start(views, frame)
        kept = with_agreeing_normals(views, start, request.output, frame, progress)
        dropped += tuple(name for k, name in enumerate(views.names) if k not in kept)
        views, borders = views.subset(kept), replace(borders, shifts=borders.shifts[kept])
    session = Session(progress, request.output, request.budget_s, frame)
    settings = (
        request.method, request.preset, request.seed, request.background, request.case,
        frame.scale, frame.centre.tolist(), frame.turn.tolist(),
    )  # fmt: skip
    key = fingerprint(views, *settings)
    job = Job(request, views, frame, _start(views, frame), session, key, borders)
    progress.stage(SurfaceStage.VIEWS, 1.0)
    return job, dropped


def _place_of(request: SurfaceRequest) -> Similarity | None:
    """Where the views of a case lie, when `generate` has compared them with its fit."""
    if request.case is None or request.extent_mm is not None or not report_path(request.views).is_file():
        return None
    return read_place(request.views)


def _written(job: Job, found: Found, dropped: tuple[str, ...]) -> dict[str, Any]:
    """Finish, check, paint and write what a method found; the report."""
    views, frame = job.views, job.frame
    mesh = finished(found.field, unit=unit_of(found.field, frame))
    looks = [prepared(views, k, frame.scale) for k in range(len(views))]
    agree = agreement(looks, mesh.vertices, mesh.faces)
    refuse_half(views, agree, found.trust)
    if found.colours is None:
        colours = view_colours(views, looks, mesh.vertices, mesh.faces)
    else:
        colours = found.colours(mesh.vertices)
    dropped += tuple(name for name, t in zip(views.names, found.trust, strict=True) if t <= 0)
    report = _report(job, mesh, agree, dropped)
    write_surface(job.request.output, (mesh, colours), found.field, frame, report)
    return report


def unit_of(field: GridField, frame: Frame) -> float:
    """What stands for a millimetre in a field: that, or for other things what it is of a jaw's width."""
    return 1.0 if frame.is_dental else float((field.high - field.low).max()) / _JAW_MM


def _method(method: SurfaceMethod) -> Callable[[Job], Found]:
    """The function of a method; heavy libraries are imported only by those that need them."""
    if method is SurfaceMethod.GRID:
        return _grid
    if method is SurfaceMethod.NEUS:
        from teethscape.surface.neus.method import neus

        return neus
    from teethscape.surface.gspull.method import gspull

    return gspull


def _grid(job: Job) -> Found:
    result = solve_grid(job.views, job.frame.scale, job.start, job.session, job.key)
    return Found(result.field, result.trust)


def _start(views: Views, frame: Frame) -> Callable[[Views, float], GridField]:
    arch = frame.arch
    if arch is not None:
        return lambda some, pitch: arch_field(some, frame.scale, arch, pitch)
    box = hull_box(views, frame.scale)
    return lambda some, pitch: hull_field(some, frame.scale, box, pitch)


def believed(views: Views, progress: Progress) -> tuple[Views, tuple[str, ...]]:
    """The views whose masks agree, and the names of the others.

    Raises:
        BadInputError: half of the masks or more fill their pictures.
        RefusedError: a mask is empty, or the masks contradict each other and no single view is at fault.
    """
    if not views.has_masks:
        return views, ()
    views, full = _with_background(views, progress)
    check = check_masks(views)
    if check.empty:
        raise RefusedError(
            "view_empty", f"The mask of {check.empty[0]} is empty.", "Correct it, or leave the view out."
        )
    if check.culprit is not None:
        name = views.names[check.culprit]
        progress.warn("view_odd", f"The mask of {name} contradicts the others; it is left out.")
        return views.subset([k for k in range(len(views)) if k != check.culprit]), (*full, name)
    _refuse_contradiction(views, check)
    return views, full


def _with_background(views: Views, progress: Progress) -> tuple[Views, tuple[str, ...]]:
    """The views whose masks do not fill their pictures, and the names of the others.

    Raises:
        BadInputError: half of them or more do: the hull would be the box.
    """
    full = (views.foreground > 0.5).mean(axis=(1, 2)) > _FULL
    names = tuple(name for name, is_full in zip(views.names, full, strict=True) if is_full)
    if 2 * len(names) >= len(views):
        raise BadInputError(
            "opacity_missing",
            f"The masks of {len(names)} views fill their pictures: nothing is said to be background.",
            "Give pictures with opacity (RGBA); of a strip, also --foreground plain.",
        )
    for name in names:
        progress.warn("view_odd", f"The mask of {name} fills its picture; it is left out.")
    return views.subset(np.flatnonzero(~full).tolist()), names


def _refuse_opaque(request: SurfaceRequest, views: Views) -> None:
    """Only GS-Pull makes surfaces of photos that show something everywhere.

    Raises:
        BadInputError: another method was asked for, and no view has a mask.
    """
    if request.method is not SurfaceMethod.GSPULL and not views.has_masks:
        raise BadInputError(
            "masks_missing",
            f"The pictures of {request.views} are opaque and have no masks.",
            "Give RGBA pictures or masks, or --method gspull --preset upstream.",
        )


def _where_normals_are(views: Views) -> Views:
    """The views without the rims whose painted normals are no directions; the grid believes neither.

    Raises:
        BadInputError: there are no normals.
    """
    if views.normals is None:
        raise BadInputError("normals_missing", "The views have no normals.", "Give --method neus or gspull.")
    return replace(views, foreground=views.foreground * directed(views.normals))


def _smooth(views: Views, progress: Progress) -> Views:
    """The views without speckles along their masks' borders; says where there were any."""
    views, speckled = despeckled(views)
    for view in np.flatnonzero(speckled):
        progress.warn("mask_speckled", f"The mask of {views.names[view]} is speckled; it is smoothed.")
    return views


def _corrected(views: Views, progress: Progress) -> tuple[Views, Borders]:
    """The views with masks whose borders agree, and how far they were off; says which were moved."""
    borders = compared_borders(views)
    for view in np.flatnonzero(borders.moves):
        shift = borders.moves[view]
        off = f"{abs(shift):.1f} px too {'small' if shift > 0 else 'large'}"
        progress.warn("mask_moved", f"The mask of {views.names[view]} is {off}; its border is moved.")
    return with_moved_borders(views, borders), borders


def _refuse_contradiction(views: Views, check: MaskCheck) -> None:
    worst = int(np.argmin(check.covered))
    if check.covered[worst] < _WHOLE:
        raise RefusedError(
            "views_contradict",
            f"The masks contradict each other: only {100 * check.covered[worst]:.0f} % of that of "
            f"{views.names[worst]} fits the others.",
            "Check the cameras, the jaw and the masks.",
        )


def refuse_half(views: Views, agree: Agreement, trust: Array) -> None:
    """Refuse a surface that leaves much of a believed view's mask empty.

    Raises:
        RefusedError: it does; the message names the worst view.
    """
    if not views.has_masks:
        return
    covered = np.where(trust > 0, agree.covered, 1.0)
    worst = int(np.argmin(covered))
    if covered[worst] < _WHOLE:
        raise RefusedError(
            "surface_half",
            f"The surface covers only {100 * covered[worst]:.0f} % of what {views.names[worst]} shows.",
            "Give it more time, another method, or leave that view out with --leave-out.",
        )


def _report(job: Job, mesh: FinishedMesh, agree: Agreement, dropped: tuple[str, ...]) -> dict[str, Any]:
    """What the files beside the mesh and ``--json`` say."""

    def listed(values: Array) -> list[float | None]:
        return [None if np.isnan(v) else round(float(v), 4) for v in values]

    borders = job.borders or Borders(np.zeros(len(job.views)), 0.0)
    return {
        "output": str(job.request.output),
        "method": job.request.method.value,
        "preset": None if job.request.preset is None else job.request.preset.value,
        "seconds": round(job.session.spent_s, 1),
        "unit_mm": round(job.frame.scale, 4),
        "triangles": len(mesh.faces),
        "components": mesh.components,
        "crumbs_dropped": mesh.crumbs,
        "edge_mm": round(mesh.edge_mm, 6),
        "edge_spread": round(mesh.edge_spread, 3),
        "decimated_to_mm": round(mesh.tolerance_mm, 6),
        "mask_noise_px": round(borders.noise, 4),
        "views_left_out": list(dropped),
        "views": {
            name: {"overlap": o, "covered": c, "angle_deg": a, "mask_moved_px": m}
            for name, o, c, a, m in zip(
                job.views.names,
                listed(agree.overlap),
                listed(agree.covered),
                listed(agree.angle_deg),
                listed(borders.moves),
                strict=True,
            )
        },
    }
