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

#: Nats by which all photos must fit better with one of them flipped.
_MARGIN = 10.0
#: More for each tooth that other photos show too, but no longer once this one is flipped, because its twin
#: is missing: its place and turn (six unknowns) then fit that photo alone.
_FREED = 6.0
#: A photo whose coarse fit gets so much worse when it is flipped is not mirrored, nats.
_HOPELESS = 20.0


def require_unmirrored(settled: Settled, outlines: Mapping[View, Outline]) -> None:
    """Refuse occlusal photos that fit the other photos better when flipped.

    Raises:
        RefusedError: such a photo.
    """
    if all(view.is_occlusal for view in settled.guess.views):
        return
    occlusal = [view for view in settled.guess.views if view.is_occlusal]
    flipped = [v.title for v in occlusal if flip_gain(settled, outlines, v) > margin(settled.guess, v)]
    if flipped:
        raise RefusedError(
            "photo_mirrored",
            f"The {' and '.join(flipped)} photo fits the other photos better when it is flipped: "
            "it may be mirrored, or its teeth were not found well.",
            "Flip it from left to right if it was taken through a mirror; otherwise give masks or retake it.",
        )


def margin(guess: Guess, view: View) -> float:
    """Nats that flipping a photo must gain before it counts as mirrored."""
    fdi = guess.layout.prior.fdi
    elsewhere = {fdi[t] for v, shown in guess.views.items() if v is not view for t in shown.tooth if t >= 0}
    own = {fdi[t] for t in guess.views[view].tooth if t >= 0}
    freed = [number for number in own & elsewhere if mirrored(number) not in elsewhere]
    return _MARGIN + _FREED * len(freed)


def flip_gain(settled: Settled, outlines: Mapping[View, Outline], view: View) -> float:
    """Nats by which the photos fit better when one is flipped from left to right."""
    flipped = {**outlines, view: _flipped_outline(outlines[view], settled.guess.views[view].camera.width)}
    start = _flipped_guess(settled.guess, view)
    coarse = settled.coarse - coarse_fit(start, flipped)[1]
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
