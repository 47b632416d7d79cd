"""Which views a surface is made of, with what masks; and what is refused of them and of the surface."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.wishes import SurfaceMethod
from teethscape.errors import BadInputError, RefusedError
from teethscape.progress import Progress
from teethscape.surface.faults import MaskCheck, check_masks, least_fitting
from teethscape.surface.mesh.paint import Agreement
from teethscape.surface.request import SurfaceRequest
from teethscape.surface.speckle import despeckled
from teethscape.surface.tangents import Borders, compared_borders, with_moved_borders
from teethscape.surface.views import Views, directed

#: Share of a view's mask that a whole surface covers at least.
_WHOLE = 0.6
#: Median overlap (intersection over union) of surface and masks below which it is another body: 0.2 of what
#: NeuS begins as, 0.9 and more of jaws from spoilt views.
_ALIKE = 0.5
#: Share of a picture beyond which its mask says nothing.
_FULL = 0.99
#: Pixels of a mask below which it shows nothing.
_SHOWN = 9


def believed(views: Views, progress: Progress) -> tuple[Views, tuple[str, ...]]:
    """The views whose masks agree, and the names of the others.

    Raises:
        BadInputError: half of the masks or more fill their pictures.
        RefusedError: half of the masks or more are empty, or the masks contradict each other and no single
            view is at fault.
    """
    if not views.has_masks:
        return views, ()
    views, empty = _with_object(views, progress)
    views, full = _with_background(views, progress)
    dropped = (*empty, *full)
    # Masks a little too small carve off what others show, and are no fault of the views.
    check = check_masks(with_moved_borders(views, compared_borders(views)))
    if check.culprit is not None:
        name = views.names[check.culprit]
        progress.warn("view_odd", f"The mask of {name} contradicts the others; it is left out.")
        return views.without(check.culprit), (*dropped, name)
    _refuse_contradiction(views, check)
    return views, dropped


def _with_object(views: Views, progress: Progress) -> tuple[Views, tuple[str, ...]]:
    """The views whose masks show something, and the names of the others.

    An empty mask of one view would carve away all that the others show.

    Raises:
        RefusedError: half of them or more do not.
    """
    empty = (views.foreground > 0.5).sum(axis=(1, 2)) < _SHOWN
    if 2 * empty.sum() >= len(views):
        names = ", ".join(views.names[k] for k in np.flatnonzero(empty))
        raise RefusedError(
            "view_empty", f"These masks are empty: {names}.", "Correct them, or leave the views out."
        )
    return _left_out(views, empty, "is empty", progress)


def _with_background(views: Views, progress: Progress) -> tuple[Views, tuple[str, ...]]:
    """The views whose masks do not fill their pictures, and the names of the others.

    Raises:
        BadInputError: half of them or more do: the hull would be the box.
    """
    full = (views.foreground > 0.5).mean(axis=(1, 2)) > _FULL
    if 2 * full.sum() >= len(views):
        raise BadInputError(
            "opacity_missing",
            f"The masks of {full.sum()} views fill their pictures: nothing is said to be background.",
            "Give pictures with opacity (RGBA); of a strip, also --foreground plain.",
        )
    return _left_out(views, full, "fills its picture", progress)


def _left_out(
    views: Views, at_fault: NDArray[np.bool_], reason: str, progress: Progress
) -> tuple[Views, tuple[str, ...]]:
    """The views without those at fault (n,), whose names are told and returned."""
    names = tuple(views.names[k] for k in np.flatnonzero(at_fault))
    for name in names:
        progress.warn("view_odd", f"The mask of {name} {reason}; it is left out.")
    return views.subset(np.flatnonzero(~at_fault).tolist()), names


def _refuse_contradiction(views: Views, check: MaskCheck) -> None:
    worst = int(np.argmin(check.covered))
    if check.covered[worst] < _WHOLE:
        raise RefusedError(
            "views_contradict",
            f"The masks contradict each other: only {100 * check.covered[worst]:.0f} % of that of "
            f"{views.names[worst]} fits the others.",
            "Check the cameras, the jaw and the masks.",
        )


def refuse_opaque(request: SurfaceRequest, views: Views) -> None:
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


def where_normals_are(views: Views) -> Views:
    """The views without the rims whose painted normals are no directions; the grid believes neither.

    Raises:
        BadInputError: there are no normals.
    """
    if views.normals is None:
        raise BadInputError("normals_missing", "The views have no normals.", "Give --method neus or gspull.")
    return replace(views, foreground=views.foreground * directed(views.normals))


def smoothed(views: Views, progress: Progress) -> Views:
    """The views without speckles along their masks' borders; says where there were any."""
    views, speckled = despeckled(views)
    for view in np.flatnonzero(speckled):
        progress.warn("mask_speckled", f"The mask of {views.names[view]} is speckled; it is smoothed.")
    return views


def corrected(views: Views, borders: Borders, progress: Progress) -> Views:
    """The views with masks whose borders agree; says which were moved."""
    for view in np.flatnonzero(borders.moves):
        shift = borders.moves[view]
        off = f"{abs(shift):.1f} px too {'small' if shift > 0 else 'large'}"
        progress.warn("mask_moved", f"The mask of {views.names[view]} is {off}; its border is moved.")
    return with_moved_borders(views, borders)


def refuse_lost(views: Views, is_empty: bool) -> None:
    """Refuse a field that is nowhere inside, though the masks leave room for a body.

    Raises:
        RefusedError: it is; the message names the view whose mask fits the others least, if one does less.
    """
    if not is_empty:
        return
    room = ", though the masks leave room for one" if views.has_masks else ""
    least = least_fitting(views) if views.has_masks else None
    told = "" if least is None else f"; of {least[0]} the masks of all cover only {100 * least[1]:.0f} %"
    instead = "" if least is None else ", or leave that view out with --leave-out"
    raise RefusedError(
        "surface_empty",
        f"The surface is empty: the method has found no place inside{room}{told}.",
        f"Give it more time, another method or with --case the case that the views show{instead}.",
    )


def refuse_half(views: Views, agree: Agreement) -> None:
    """Refuse a surface that leaves much of a view's mask empty.

    Raises:
        RefusedError: it does; the message names the worst view.
    """
    if not views.has_masks:
        return
    worst = int(np.argmin(agree.covered))
    if agree.covered[worst] < _WHOLE:
        raise RefusedError(
            "surface_half",
            f"The surface covers only {100 * agree.covered[worst]:.0f} % of what {views.names[worst]} shows.",
            "Give it more time, another method, or leave that view out with --leave-out.",
        )


def refuse_unlike(views: Views, agree: Agreement) -> None:
    """Refuse a surface whose outlines are others than those of most views, such as the body a run begins as.

    Raises:
        RefusedError: in half of the views they have little in common; the message names the worst one.
    """
    if not views.has_masks or np.median(agree.overlap) >= _ALIKE:
        return
    worst = int(np.argmin(agree.overlap))
    raise RefusedError(
        "surface_unlike",
        f"The surface reaches far beyond what the views show: in {views.names[worst]} only "
        f"{100 * agree.overlap[worst]:.0f} % of the surface's picture and the mask are common to both.",
        "Give it more time or another method.",
    )
