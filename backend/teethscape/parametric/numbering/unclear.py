"""Bite photos in which the numbers leave too much without one: numbered anew from what the others say.

Each bite photo is numbered by itself first, with the occlusal photos.  Two that agree on a bite that is
wrong by a tooth then hold each other, and a third; what shows it are the whole labels that find no tooth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import BITE_VIEWS, View
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.hulls import FORMS
from teethscape.parametric.numbering.joint import Belief, NumberedView, fit_joint
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.numbering.photo_set import PhotoSet
from teethscape.parametric.numbering.rivals import settle
from teethscape.parametric.rotation import FloatArray

#: Least area of a whole label, against the median.
_WHOLE = 0.5
#: Share of a photo's whole labels that may be without a number.  On twenty rendered patients up to a
#: fifth were where the numbers were right, and nearly a half in the one set that was wrong by a tooth.
_UNNUMBERED = 1 / 3


def unclear_views(photos: PhotoSet, guess: Guess) -> tuple[View, ...]:
    """The bite views of which too many whole labels have no number."""
    return tuple(view for view in BITE_VIEWS if _is_unclear(photos.found[view].area, guess.views[view].tooth))


def _is_unclear(area: FloatArray, tooth: NDArray[np.intp]) -> bool:
    """Whether too many of a view's labels (n,) that are whole have no tooth."""
    whole = area > _WHOLE * np.median(area)
    return bool((whole & (tooth < 0)).sum() > _UNNUMBERED * whole.sum())


def fitted_anew(photos: PhotoSet, views: Mapping[View, NumberedView], layout: Layout) -> tuple[Guess, Belief]:
    """Cameras and teeth that some numbered views ask for, by outlines and by moments."""
    fit = fit_joint(views, Belief.before(layout), rounds=3)
    state = replace(fit.belief.state, shape=np.zeros((len(layout.prior.fdi), FORMS)))
    return settle(Guess(fit.belief.layout, state, fit.views), photos.outline).guess, fit.belief
