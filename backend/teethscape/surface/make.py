"""The use case: views in, a mesh and a report out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from teethscape.dental.fdi import Jaw
from teethscape.dental.files import require_space
from teethscape.dental.request import check_budget
from teethscape.dental.wishes import ForegroundName, Preset, SurfaceMethod
from teethscape.errors import RefusedError, UsageError
from teethscape.libraries import require_torch
from teethscape.mesh.align import Similarity
from teethscape.mesh.solid import Solid
from teethscape.progress import Progress, SurfaceStage
from teethscape.surface.believe import (
    believed,
    corrected,
    refuse_half,
    refuse_lost,
    refuse_opaque,
    refuse_unlike,
    smoothed,
    where_normals_are,
)
from teethscape.surface.fit_masks import cut_by_fit
from teethscape.surface.frame import Frame, frame_of
from teethscape.surface.grid.field import GridField
from teethscape.surface.grid.looks import prepared
from teethscape.surface.grid.reconstruct import solve_grid
from teethscape.surface.job import Found, Job, start_at, start_of
from teethscape.surface.mesh.finish import FinishedMesh, finished
from teethscape.surface.mesh.marching import Array
from teethscape.surface.mesh.paint import Agreement, agreement, view_colours
from teethscape.surface.mesh.teeth import tooth_bodies
from teethscape.surface.mesh.threads import without_threads
from teethscape.surface.placement import place_in
from teethscape.surface.read.any import read_views
from teethscape.surface.request import DistanceKind, SurfaceRequest
from teethscape.surface.rough import ComparedViews, compared_views
from teethscape.surface.session import Session, fingerprint
from teethscape.surface.start import Start
from teethscape.surface.tangents import Borders
from teethscape.surface.views import Views
from teethscape.surface.write import check_output, write_surface

#: Least and largest extent of a jaw pair, mm: others are in other units, and give a mesh all the same.
_EXTENTS_MM = (5.0, 1000.0)
_NEEDED_BYTES = 60_000_000
#: Shares of finishing after which threads are gone, and the mesh is there; a body per tooth is the rest.
_THREADS, _MESH = 0.3, 0.5
#: Width of a jaw, as far as it decides what is small in things of another size.
_JAW_MM = 60.0
_WITHOUT_TORCH = "Run in the engine's environment: python -m pip install torch; or take --method grid."


def make_surface(request: SurfaceRequest, progress: Progress, frame: Frame | None = None) -> dict[str, Any]:
    """Make a surface from views and write it.

    Args:
        request: what is asked.
        progress: told of every stage.
        frame: of the views, when the caller knows it better than the request tells.

    Returns:
        The report, as it is also written beside the mesh.

    Raises:
        UsageError: the output's ending is no mesh format, it or its report would replace another file, or a
            number of the request is impossible.
        BadInputError: the output is a folder or lies below a file or cannot be written, or the views cannot
            be read, or lack what the method needs.
        MissingComponentError: the method needs a library or a device that is missing.
        RefusedError: unsigned distances are asked for, the masks contradict each other, or the surface is
            empty or half.
        CancelledError: the user has cancelled; the checkpoint stays.
    """
    check_output(request.output, (request.views, request.case))
    _check_numbers(request)
    _refuse_unsigned(request)
    if request.method is not SurfaceMethod.GRID:
        require_torch("The method " + request.method.value, _WITHOUT_TORCH)
        request = _with_preset(request, progress)
    require_space(request.output.parent, _NEEDED_BYTES)
    job, dropped = _prepared(request, progress, frame)
    _warn_of_guess(job.frame, progress)
    found = _method(request.method)(job)
    progress.stage(SurfaceStage.FINISH, 0.0)
    report = _written(job, found, dropped)
    job.session.clean()
    progress.stage(SurfaceStage.FINISH, 1.0)
    return report


def _check_numbers(request: SurfaceRequest) -> None:
    """Refuse sizes and times that there are not.

    Raises:
        UsageError: the extent is that of no jaws (of people or animals), or the budget below zero or endless.
    """
    extent = request.extent_mm
    if extent is not None and not _EXTENTS_MM[0] <= extent <= _EXTENTS_MM[1]:
        advice = "Give millimetres; those of people's jaw pairs are 50 to 80."
        raise UsageError("usage", f"An extent of {extent:g} mm is that of no jaw pair.", advice)
    check_budget(request.budget_s)


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

    preset = chosen_preset(request.preset, request.device, request.method)
    if torch_device(request.device).type == "cpu" and preset is not Preset.SMALL:
        told = f"The preset {preset} is for a graphics processor: elsewhere a step takes seconds to minutes."
        progress.warn("cpu_slow", f"{told} Take --preset small, or --method grid.")
    return replace(request, preset=preset)


def _prepared(
    request: SurfaceRequest, progress: Progress, frame: Frame | None
) -> tuple[Job, tuple[str, ...]]:
    """Read and check the views; the job, and the names of views that are not believed."""
    progress.stage(SurfaceStage.VIEWS, 0.0)
    views = read_views(request)
    if request.method is SurfaceMethod.GRID:
        views = where_normals_are(views)
    place = None if frame else _place_of(request, views.jaw, progress)
    frame = frame or frame_of(views, request.extent_mm, request.case, place)
    if request.foreground is ForegroundName.FIT:
        views = cut_by_fit(views, frame)
    refuse_opaque(request, views)
    views = smoothed(views, progress)
    views, dropped = believed(views, progress)
    names = views.names
    compared = compared_views(views, request.output, frame, progress)
    dropped += tuple(name for name in names if name not in compared.views.names)
    views = corrected(compared.views, compared.borders, progress)
    session = Session(progress, request.output, request.budget_s, frame)
    settings = (
        request.method, request.preset, request.seed, request.background, request.case,
        frame.scale, frame.centre.tolist(), frame.turn.tolist(),
    )  # fmt: skip
    key = fingerprint(views, *settings)
    job = Job(request, views, frame, _start(request, compared, views, frame), session, key, compared.borders)
    progress.stage(SurfaceStage.VIEWS, 1.0)
    return job, dropped


def _start(request: SurfaceRequest, compared: ComparedViews, views: Views, frame: Frame) -> Start:
    """Our presets of networks begin at the rough surface of the comparison, where there is one.

    The grid has made it of borders that it hardly believed, and begins anew; published settings begin at
    the hull, if they ask for a start at all.
    """
    is_ours = request.method is not SurfaceMethod.GRID and request.preset is not Preset.UPSTREAM
    surface = compared.surface if is_ours else None
    return start_of(views, frame) if surface is None else start_at(surface)


def _warn_of_guess(frame: Frame, progress: Progress) -> None:
    if frame.is_guessed:
        told = f"The case has no teeth of the {frame.lacks} jaw; average ones stand in for size and place."
        progress.warn("jaw_average", f"{told} They may be off by some millimetres.")


def _place_of(request: SurfaceRequest, jaw: Jaw | None, progress: Progress) -> Similarity | None:
    """Where the views of a case lie, when `generate` has compared them."""
    if request.case is None or request.extent_mm is not None or jaw is None:
        return None
    return place_in(request.case, request.views, jaw, progress)


def _written(job: Job, found: Found, dropped: tuple[str, ...]) -> dict[str, Any]:
    """Finish, check, paint and write what a method found; the report."""
    views, frame, finish = job.views, job.frame, job.session.finish
    refuse_lost(views, not (found.field.values < found.level).any())
    looks = [prepared(views, k, frame.scale) for k in range(len(views))]
    if frame.is_dental:  # other things may be thin
        field = without_threads(found.field, looks, lambda share: finish(_THREADS * share))
        found = replace(found, field=field)
    finish(_THREADS)
    unit = unit_of(found.field, frame)
    mesh = finished(found.field, unit=unit, level=found.level)
    finish(_MESH)
    agree = agreement(looks, mesh.vertices, mesh.faces)
    refuse_half(views, agree)
    refuse_unlike(views, agree)
    if found.colours is None or not views.colour_mask.any():
        colours = view_colours(views, looks, mesh.vertices, mesh.faces, unit)
    else:
        colours = found.colours(mesh.vertices)
    teeth: dict[int, Solid] = {}
    if frame.arch is not None:
        teeth = tooth_bodies(found.field, frame.arch, lambda share: finish(_MESH + (1 - _MESH) * share))
    report = _report(job, mesh, agree, dropped)
    write_surface(job.request.output, (mesh, colours), teeth, frame, report)
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
    return Found(solve_grid(job.views, job.frame.scale, job.start, job.session, job.key))


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
