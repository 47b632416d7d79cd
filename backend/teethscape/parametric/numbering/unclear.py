"""Photos in which the numbers leave too many labels without one, or are not those that the network reads.

Each bite photo is numbered by itself first, with the occlusal photos.  Two that agree on a bite that is
wrong by a tooth then hold each other, and a third; what shows it are the whole labels that find no tooth,
and kinds of teeth that speak for the next place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import BITE_VIEWS, View
from teethscape.parametric.numbering.bite_search import moved_along
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.photo_set import PhotoSet
from teethscape.parametric.numbering.rivals import populated

#: Least area of a whole label, against the median.
_WHOLE = 0.5
#: Share of a photo's whole labels that may be without a number.  On twenty-five rendered patients up to a
#: fifth were where the numbers were right, and 0.29 to 0.6 in the three sets that were wrong by a tooth.
_UNNUMBERED = 0.25
#: Nats by which kinds may speak for a row's being a place farther along.  Of 464 true rows of 29 patients
#: they speak so at all in five, by more than this in one; for the true row they speak by 12 on average.
_CONTRADICTED = 3.0


def doubtful_views(photos: PhotoSet, guess: Guess) -> tuple[View, ...]:
    """The views whose kinds say other numbers, and the bite views of which too many whole labels have none.

    Photos in which the user has named teeth are left out.
    """
    contradicted = contradicted_views(photos, guess)
    crowded = {view for view in BITE_VIEWS if _unnumbered(photos, guess, view) > _UNNUMBERED}
    free = [view for view in guess.views if not (photos.names(view) >= 0).any()]
    return tuple(view for view in free if view in contradicted or view in crowded)


def unclear_views(photos: PhotoSet, guess: Guess) -> tuple[View, ...]:
    """The bite views among :func:`doubtful_views`."""
    return tuple(view for view in doubtful_views(photos, guess) if not view.is_occlusal)


def contradicted_views(photos: PhotoSet, guess: Guess) -> tuple[View, ...]:
    """The views whose labels' kinds speak for their rows moved along the arch, not for their numbers."""
    layout = populated(guess)
    fdi = layout.prior.fdi
    return tuple(
        view
        for view, now in guess.views.items()
        if not (photos.names(view) >= 0).any()
        and any(now.unlike_kinds(other, fdi) > _CONTRADICTED for other in moved_along(now, layout))
    )


def clearest_first(photos: PhotoSet, guess: Guess) -> list[View]:
    """The bite views, those with the smallest share of whole labels without a number first."""
    return sorted(BITE_VIEWS, key=lambda view: _unnumbered(photos, guess, view))


def whole_named(photos: PhotoSet, guess: Guess) -> int:
    """Whole labels of all bite views that have a number."""
    return sum(
        int((whole_labels(photos, view) & (guess.views[view].tooth >= 0)).sum()) for view in BITE_VIEWS
    )


def _unnumbered(photos: PhotoSet, guess: Guess, view: View) -> float:
    """Share of a view's whole labels that have no tooth."""
    return float((guess.views[view].tooth < 0)[whole_labels(photos, view)].mean())


def whole_labels(photos: PhotoSet, view: View) -> NDArray[np.bool_]:
    """(n,) labels of a view that are no slivers."""
    area = photos.found[view].area
    return area > _WHOLE * np.median(area)
