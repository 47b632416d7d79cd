"""Photos taken through a mirror and not flipped back, told by how they fit the other photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from teethscape.dental.fdi import mirrored
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.outline import DIRECTIONS, Outline
from teethscape.parametric.numbering.rivals import DISBELIEVED_COST, Settled, coarse_fit, settle

_OCCLUSAL = (View.MAXILLARY_OCCLUSAL, View.MANDIBULAR_OCCLUSAL)
#: What is tested: each photo, and the two buccal ones together: one of them flipped is taken for the other
#: side, so that two of a side are found, but both flipped have changed places.  The occlusal ones are both
#: taken through mirrors, so both may have been left unflipped.
TESTED: tuple[tuple[View, ...], ...] = (
    (View.ANTERIOR,),
    (View.LEFT_BUCCAL, View.RIGHT_BUCCAL),
    (View.MAXILLARY_OCCLUSAL,),
    (View.MANDIBULAR_OCCLUSAL,),
    _OCCLUSAL,
)
#: Nats by which all photos must fit better with some of them flipped; or worse, to be sure that they are not.
#: Both occlusal photos, each of which counts alone as well, must fit better by twice as much.
_MARGIN = 10.0
#: Nats by which that must lead what flipping others gains, unless it is larger by as much itself.  In a mouth
#: whose halves are nearly alike every flip fits about as well.  Of 44 flips in 13 rendered sets 42 led by 23
#: or more, two of a set whose outlines are poor by less; the one photo that was falsely called mirrored, of
#: that set, too, gained 18 and led by 11.
_STANDS_OUT = 15.0
#: More for each tooth that other photos show too, but no longer once these are flipped, because its twin
#: is missing: its place and turn (six unknowns) then fit these photos alone.
_FREED = 6.0
#: A flipped photo disturbs the fit of the others: one of them counts only if it leads by this share as much.
_ALIKE = 0.6
#: Photos whose coarse fit gets so much worse when they are flipped are not mirrored, nats.  The loosest fit
#: does not tell: flipped anterior photos have begun 300 nats worse and gained 44.
_HOPELESS = 20.0


class MirroredError(RefusedError):
    """Photos fit the others better when they are flipped.

    Args:
        views: these photos.
    """

    def __init__(self, views: tuple[View, ...]) -> None:
        names = " and ".join(view.title for view in views)
        one = len(views) == 1
        fit, are, it = ("photo fits", "is", "it") if one else ("photos fit", "are", "they")
        them = "it" if one else "them"
        super().__init__(
            "photo_mirrored",
            f"The {names} {fit} the other photos better when {it} {are} flipped: "
            f"{it} may be mirrored, or the teeth were not found well.",
            f"Flip {them} from left to right if taken through a mirror; otherwise --trust-views takes "
            f"{them} as {it} {are}, or give masks or retake {them}.",
        )
        self.views = views


def require_unmirrored(settled: Settled, outlines: Mapping[View, Outline]) -> dict[View, bool | None]:
    """Refuse photos that fit the other photos better when flipped.

    Returns:
        Per tested photo False when it is certainly not mirrored, None when that is too close to tell.

    Raises:
        MirroredError: such photos.
    """
    views = settled.guess.views
    if all(view.is_occlusal for view in views):
        return {}
    gains: dict[tuple[View, ...], float] = {}
    for group in TESTED:
        if set(group) < set(views) and (group != _OCCLUSAL or _may_both_be(gains)):
            gains[group] = flip_gain(settled, outlines, group)
    alone = {group: margin(settled.guess, group) for group in gains}
    if any(gain > _required(settled.guess, group, gains, alone[group]) for group, gain in gains.items()):
        lead = {group: gain - alone[group] for group, gain in gains.items()}
        most = _ALIKE * max(lead.values())
        told = {view for group, own in lead.items() if own > most for view in group}
        raise MirroredError(tuple(view for view in View if view in told))
    near = {view for group, gain in gains.items() if gain >= -_MARGIN for view in group}
    return {view: None if view in near else False for group in gains for view in group}


def _may_both_be(gains: Mapping[tuple[View, ...], float]) -> bool:
    """Whether both occlusal photos may be flipped: then one of them alone does not fit much worse flipped.

    In 13 rendered sets of which both were flipped, one of them gained 2 nats or more, mostly 14 to 69.
    """
    return max(gains.get((view,), -np.inf) for view in _OCCLUSAL) > -_MARGIN


def _required(
    guess: Guess, group: tuple[View, ...], gains: Mapping[tuple[View, ...], float], alone: float
) -> float:
    """Nats that flipping some must gain since others gain something, too; flipping all others is the same.

    Args:
        guess: the numbering.
        group: the photos to flip.
        gains: what each flip gains, nats.
        alone: their ``margin``.
    """
    own, same = set(group), set(guess.views) - set(group)
    others = [gains[o] for o in gains if o != _OCCLUSAL and own.isdisjoint(o) and set(o) != same]
    return float(np.clip(max(others, default=-np.inf) + _STANDS_OUT, alone, alone + _STANDS_OUT))


def margin(guess: Guess, group: tuple[View, ...]) -> float:
    """Nats that flipping some photos must gain before they count as mirrored, whatever others gain."""
    fdi = guess.layout.prior.fdi
    elsewhere = {fdi[t] for v, shown in guess.views.items() if v not in group for t in shown.tooth if t >= 0}
    own = {fdi[t] for view in group for t in guess.views[view].tooth if t >= 0}
    freed = [number for number in own & elsewhere if mirrored(number) not in elsewhere]
    return (2 if group == _OCCLUSAL else 1) * _MARGIN + _FREED * len(freed)


def flip_gain(settled: Settled, outlines: Mapping[View, Outline], group: tuple[View, ...]) -> float:
    """Nats by which the photos fit better when some are flipped from left to right.

    Args:
        settled: the numbering at rest.
        outlines: extents of all views.
        group: the photos to flip.
    """
    flipped, start = dict(outlines), settled.guess
    for view in group:
        flipped[view] = _flipped_outline(outlines[view], settled.guess.views[view].camera.width)
        start = _flipped_guess(start, view)
    coarse = settled.coarse - coarse_fit(start, flipped, settled.coarse + _HOPELESS)[1]
    if coarse < -_HOPELESS:
        return coarse
    return _cost(settled) - _cost(settle(start, flipped))


def _cost(settled: Settled) -> float:
    """Energy at the usual noise, extents left out included, so that different choices compare."""
    count = sum(len(rows) for rows in settled.rows.values())
    return settled.weighed.energy / settled.effort.loose**2 - DISBELIEVED_COST * count


def _flipped_outline(outline: Outline, width: int) -> Outline:
    """Extents of the picture seen in a mirror."""
    order = (DIRECTIONS // 2 - np.arange(DIRECTIONS)) % DIRECTIONS
    across = np.cos(np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS)
    return Outline(outline.extent[:, order] + across * (width - 1), outline.valid[:, order])


def _flipped_guess(guess: Guess, view: View) -> Guess:
    """The guess with one view's numbers and camera reflected at the midline."""
    fdi, numbered = guess.layout.prior.fdi, guess.views[view]
    twin = np.array([fdi.index(mirrored(number)) for number in fdi] + [-1])
    flipped = replace(numbered, tooth=twin[numbered.tooth], camera=numbered.camera.mirrored())
    return replace(guess, views={**guess.views, view: flipped})
