"""Views from whatever the user gives: a strip, a folder of views, or a data set of another program."""

from __future__ import annotations

from collections.abc import Sequence

from teethscape.errors import BadInputError
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
    """
    views = _read(request)
    numbers = [_number(name) for name in views.names]
    _refuse_unknown(request, numbers)
    wanted = set(request.keep or numbers) - set(request.leave_out)
    keep = [k for k, number in enumerate(numbers) if number in wanted]
    if len(keep) < 2:
        raise BadInputError("views_missing", f"{request.views} has {len(keep)} views.", "Give at least two.")
    return views.subset(keep)


def _refuse_unknown(request: SurfaceRequest, numbers: Sequence[int]) -> None:
    """Refuse numbers that no view has; of a folder only those to be kept were read.

    Raises:
        BadInputError: there is such a number; the message lists those that there are.
    """
    known = {*numbers, *request.keep} if request.views.is_dir() and request.keep else set(numbers)
    unknown = sorted({*request.keep, *request.leave_out} - known)
    if unknown:
        there = ", ".join(map(str, sorted(numbers)))
        raise BadInputError(
            "views_missing",
            f"{request.views} has no view {unknown[0]}; its views are {there}.",
            "Choose among these with --keep and --leave-out.",
        )


def _number(name: str) -> int:
    """The number at the end of a view's name, -1 without."""
    digits = name.rsplit(" ", 1)[-1]
    return int(digits) if digits.isdigit() else -1


def _read(request: SurfaceRequest) -> Views:
    path = request.views
    if path.is_file():
        return read_montage_views(path, MontageOptions(request.jaw, request.normals, request.foreground))
    if not path.is_dir():
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.")
    if is_view_folder(path):
        return read_view_folder(path, request.keep or None)
    for fits, read in _READERS:
        if fits(path):
            return read(path)
    raise BadInputError(
        "views_missing",
        f"{path} holds no views that are known.",
        "Give a strip of generated views, a folder of rendered views, or a Blender, COLMAP or DTU data set.",
    )
