"""Teeth held to be missing from a closed gap that the bite photos show all the same.

An occlusal photo in which two neighbours are drawn as one has an instance too few, and a gap that has closed
explains that as well.  In the bite photos the tooth then stands between its neighbours, whole and without a
number.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import BITE_VIEWS, View
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.layout import beside
from teethscape.parametric.numbering.photo_set import PhotoSet
from teethscape.parametric.numbering.rivals import renumbered

#: Least area of such an instance, in areas of the smaller neighbour: a sliver may be part of either.
_WHOLE = 0.5
#: Where it stands on the way between the neighbours' middles, and how far off it at most.
_BETWEEN, _OFF = (0.2, 0.8), 0.5


def reopened(photos: PhotoSet, guess: Guess, number: int) -> Guess | None:
    """The numbering with a tooth put back into its closed gap, where a bite photo shows it there.

    Args:
        photos: the photos.
        guess: the numbering.
        number: FDI number of a tooth whose gap is held to have closed.
    """
    tooth = guess.layout.prior.fdi.index(number)
    shown = {view: k for view in BITE_VIEWS if (k := _between(photos, guess, view, tooth)) is not None}
    if not shown:
        return None
    teeth = _with(guess, shown, tooth)
    if not all(photos.agrees(view, named) for view, named in teeth.items()):
        return None
    layout = photos.layouts.get(guess.layout.missing - {number}, guess.layout.closed - {number})
    return renumbered(guess, layout, teeth)


def _with(guess: Guess, shown: Mapping[View, int], tooth: int) -> dict[View, NDArray[np.intp]]:
    """Teeth of all views, those instances numbered."""
    out = {view: numbered.tooth.copy() for view, numbered in guess.views.items()}
    for view, instance in shown.items():
        out[view][instance] = tooth
    return out


def _between(photos: PhotoSet, guess: Guess, view: View, tooth: int) -> int | None:
    """The unnumbered instance between a tooth's neighbours in a view, or None."""
    named, found = guess.views[view].tooth, photos.found[view]
    neighbours = [np.flatnonzero(named == other) for other in beside(guess.layout.prior, tooth)]
    if len(neighbours) < 2 or not all(map(len, neighbours)):
        return None
    one, two = (int(k[0]) for k in neighbours)
    way = found.centre[two] - found.centre[one]
    length = float(np.linalg.norm(way))
    from_one = found.centre - found.centre[one]
    along = from_one @ way / length**2
    across = np.abs(from_one @ np.array([-way[1], way[0]])) / length**2
    whole = found.area > _WHOLE * min(found.area[one], found.area[two])
    fit = (named < 0) & whole & (along > _BETWEEN[0]) & (along < _BETWEEN[1]) & (across < _OFF)
    return int(np.argmax(np.where(fit, found.area, 0))) if fit.any() else None
