"""Views from whatever the user gives: a strip, a folder of views, or a data set of another program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from teethscape.dental.wishes import ForegroundName, Preset, SurfaceMethod
from teethscape.errors import BadInputError, UsageError
from teethscape.surface.read.blender import is_blender_folder, read_blender
from teethscape.surface.read.colmap import is_colmap_folder, read_colmap
from teethscape.surface.read.dtu import is_dtu_folder, read_dtu
from teethscape.surface.read.folder import is_view_folder, read_view_folder
from teethscape.surface.read.montage import MontageOptions, read_montage_views
from teethscape.surface.request import SurfaceRequest
from teethscape.surface.views import Views

_READERS = ((is_blender_folder, read_blender), (is_dtu_folder, read_dtu), (is_colmap_folder, read_colmap))


def read_views(request: SurfaceRequest) -> Views:
    """The views of a request: those that are to be kept, without those that are to be left out.

    Raises:
        BadInputError: nothing there that is known, or a file of it is damaged, or too few views are left.
        UsageError: an option is given that such views have no use for.
    """
    views = _read(request)
    numbers = [_number(name) for name in views.names]
    _refuse_unknown(request, numbers)
    wanted = set(request.keep or numbers) - set(request.leave_out)
    keep = [k for k, number in enumerate(numbers) if number in wanted]
    if len(keep) < 2:
        told = f"Of {len(views)} views of {request.views} {len(keep)} are to be used."
        raise BadInputError("views_missing", told, "Give at least two, and leave out no more.")
    return views.subset(keep)


def _refuse_unknown(request: SurfaceRequest, numbers: Sequence[int]) -> None:
    """Refuse numbers that no view has; of a folder of rendered views only those to be kept were read.

    Raises:
        BadInputError: there is such a number; the message lists those that there are.
    """
    unknown = sorted({*request.keep, *request.leave_out} - set(numbers))
    if unknown:
        there = ", ".join(map(str, sorted(numbers)))
        among = " among those to be kept" if request.keep and unknown[0] not in request.keep else ""
        raise BadInputError(
            "views_missing",
            f"{request.views} has no view {unknown[0]}{among}; its views are {there}.",
            "Choose among these with --keep and --leave-out.",
        )


def _number(name: str) -> int:
    """The number at the end of a view's name, -1 without."""
    digits = name.rsplit(" ", 1)[-1]
    return int(digits) if digits.isdigit() else -1


def _read(request: SurfaceRequest) -> Views:
    path = request.views
    if path.is_file():
        published = request.method is SurfaceMethod.NEUS and request.preset is Preset.UPSTREAM
        form = MontageOptions(request.jaw, request.normals, request.foreground, published=published)
        return read_montage_views(path, form)
    if not path.is_dir():
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.")
    _refuse_cutting(request)
    if is_view_folder(path):
        return _read_rendered(request)
    for fits, read in _READERS:
        if fits(path):
            _refuse_dental(request, "Leave it out: their mesh keeps the units and axes of the data set.")
            return read(path)
    raise BadInputError(
        "views_missing",
        f"{path} holds no views that are known.",
        "Give a strip of generated views, a folder of rendered views, or a Blender, COLMAP or DTU data set.",
    )


def _read_rendered(request: SurfaceRequest) -> Views:
    """A folder of rendered views; the request knows better than its metadata which jaw they show.

    Raises:
        BadInputError: it has neither colours nor normals that are wanted.
    """
    views = read_view_folder(request.views, request.keep or None)
    normals = views.normals if request.normals else None
    if normals is None and not views.colour_mask.any():
        raise BadInputError(
            "views_missing", f"{request.views} holds no colours.", "Render them, or leave --no-normals out."
        )
    views = replace(views, jaw=request.jaw or views.jaw, normals=normals)
    if views.jaw is None:
        _refuse_dental(request, "Give --jaw upper or --jaw lower if they show one, else leave it out.")
    return views


def _refuse_cutting(request: SurfaceRequest) -> None:
    """Pictures in a folder have opacity or masks; only the tiles of a strip are cut out by their looks.

    Raises:
        UsageError: they are to be cut out so.
    """
    name = request.foreground
    if name is not None and name is not ForegroundName.FIT:
        raise UsageError(
            "usage",
            f"--foreground {name} cuts out strips; {request.views} is a folder.",
            "Leave it out; pictures in a folder need opacity (RGBA) or masks.",
        )


def _refuse_dental(request: SurfaceRequest, advice: str) -> None:
    """Size, place and teeth of a jaw mean nothing for views of other things.

    Raises:
        UsageError: one of them is given.
    """
    options = {
        "--jaw": request.jaw,
        "--case": request.case,
        "--extent": request.extent_mm,
        "--foreground fit": request.foreground,
    }
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UsageError(
            "usage", f"{given[0]} is for views of a jaw; nothing says that {request.views} shows one.", advice
        )
