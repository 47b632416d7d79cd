"""Bite photos in which the numbers leave too many labels without one.

Each bite photo is numbered by itself first, with the occlusal photos.  Two that agree on a bite that is
wrong by a tooth then hold each other, and a third; what shows it are the whole labels that find no tooth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import BITE_VIEWS, View
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.photo_set import PhotoSet

#: Least area of a whole label, against the median.
_WHOLE = 0.5
#: Share of a photo's whole labels that may be without a number.  On twenty-five rendered patients up to a
#: fifth were where the numbers were right, and 0.29 to 0.6 in the three sets that were wrong by a tooth.
_UNNUMBERED = 0.25


def unclear_views(photos: PhotoSet, guess: Guess) -> tuple[View, ...]:
    """The bite views of which too many whole labels have no number, those aside that the user has named."""
    free = [view for view in BITE_VIEWS if not (photos.names(view) >= 0).any()]
    return tuple(view for view in free if _unnumbered(photos, guess, view) > _UNNUMBERED)


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
