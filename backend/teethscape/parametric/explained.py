"""How far photos must agree with a model that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.interface import Sight
from teethscape.parametric.rounds import Agreement, Photos, Round

#: Least mean of two shares in each photo: of its clear tooth borders that the model explains, and of the
#: model's borders between teeth that the photo confirms.  Wrong numbers, given to rendered patients, left
#: up to 0.73 in some photo, once 0.77; right ones at least 0.74 with braces, whose edges look like borders of
#: teeth, and 0.84 without; case-a has 0.76 with a tenth of its teeth damaged.  A tooth lost from all photos
#: alike, with the rest of its row moved up, is not always told: that left up to 0.89.
_AGREED = 0.74
#: The same in occlusal photos, where no braces are: right numbers left 0.83 and more, most wrong ones at most
#: 0.78.
_AGREED_OCCLUSAL = 0.8
#: Least share that an occlusal photo confirms: right numbers had 0.86 and more, wrong ones up to 0.82, once
#: 0.95.
_CONFIRMED = 0.84
#: Bite photos that all agree this well vouch for the teeth of both jaws; then an occlusal photo in which
#: several teeth are damaged need agree only so far.  Wrong models before such bite photos left at most 0.71,
#: right ones at least 0.78; both shares.
_VOUCHED, _DAMAGED_OCCLUSAL = 0.77, 0.75
#: By how much some photo agrees better once a tooth that it shows is there: at least 0.02; with a tooth in
#: gaps of four rendered patients at most 0.008.
_BETTER = 0.01

IntImage = NDArray[np.int32]


def lead_of(found: Round, photos: Photos) -> float:
    """By how much the photo that agrees least with the model agrees more than it must."""
    return _lead(_agreed(found.expected, photos.sight))


def _lead(agreed: Mapping[View, Agreement]) -> float:
    must = _must_agree(agreed)
    return min(one.mean - must[view].mean for view, one in agreed.items())


def explains_more(whole: Round, found: Round, photos: Photos) -> bool:
    """Whether some photo agrees clearly better with a model that has a tooth more, and none belies it."""
    before, after = (_agreed(one.expected, photos.sight) for one in (found, whole))
    return _lead(after) >= 0 and any(after[v].mean > before[v].mean + _BETTER for v in after)


def _agreed(expected: Mapping[View, IntImage], sight: Mapping[View, Sight]) -> dict[View, Agreement]:
    return {view: Agreement.of(labels, view, sight[view]) for view, labels in expected.items()}


@dataclass(frozen=True)
class _Bar:
    """How far a photo must agree: mean of both shares, and what it must confirm."""

    mean: float
    confirmed: float = 0.0


def _must_agree(agreed: Mapping[View, Agreement], may_vouch: bool = True) -> dict[View, _Bar]:
    """How far each of some photos must agree; bite photos may vouch for occlusal ones."""
    bite = [one.mean for view, one in agreed.items() if not view.is_occlusal]
    vouched = may_vouch and len(bite) == len(View) - 2 and min(bite) >= _VOUCHED
    whole, damaged = _Bar(_AGREED_OCCLUSAL, _CONFIRMED), _Bar(_DAMAGED_OCCLUSAL, _DAMAGED_OCCLUSAL)
    occlusal = damaged if vouched else whole
    return {view: occlusal if view.is_occlusal else _Bar(_AGREED) for view in agreed}


def require_explained(
    expected: Mapping[View, IntImage], sight: Mapping[View, Sight], more: float = 0.0
) -> None:
    """Refuse a model that leaves out, or parts otherwise, much of what a photo shows.

    Args:
        expected: (h, w) FDI numbers of the model's teeth per view.
        sight: what the network saw in each photo.
        more: by how much more than usual every photo must agree; then none vouches for another.

    Raises:
        RefusedError: the tooth borders of the model and those of a photo are too different.
    """
    agreed = _agreed(expected, sight)
    must = _must_agree(agreed, may_vouch=more == 0)
    odd = [view for view in expected if agreed[view].confirmed < must[view].confirmed]
    view = min(odd or agreed, key=lambda v: agreed[v].mean - must[v].mean)
    worst = agreed[view]
    if odd or worst.mean < must[view].mean + more:
        raise RefusedError(
            "teeth_unexplained",
            f"The model has only {worst.explained:.0%} of the tooth borders in the {view.title} photo, and "
            f"the photo shows {worst.confirmed:.0%} of the model's: teeth are probably missing from it or "
            "numbered wrongly.",
            "Correct the masks (clicks), or retake the photo with dry teeth and even light.",
        )
