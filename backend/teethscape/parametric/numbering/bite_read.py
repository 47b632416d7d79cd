"""Numbers of the bite photos, read off the fitted arch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import BITE_VIEWS, View
from teethscape.parametric.numbering.expect import expected_state
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.photo_set import PhotoSet
from teethscape.parametric.numbering.read import Reader

#: Votes for a tooth which its occlusal photo lacks: two photos, or one that shows much of it.
_CONFIRMED = 2
#: An instance above this share of the median area shows much of its tooth; enough between its neighbours.
_LARGE, _AMPLE = 0.75, 0.45


def read_bites(photos: PhotoSet, guess: Guess) -> dict[View, NDArray[np.intp]]:
    """Teeth of all views; those of the bite views as the fitted arch says.

    A tooth that its occlusal photo lacks is drawn as well, where it is expected, and kept
    if two other photos show it, or one shows much of it: a sliver with a neighbour's number
    shall not invent it.
    """
    reader = Reader(guess.layout.prior, expected_state(guess))
    forbidden = guess.layout.closed | photos.absent
    numbers = _numbers(photos, reader, guess, frozenset(reader.prior.fdi) - forbidden)
    votes: Counter[int] = Counter()
    for view, names in numbers.items():
        votes.update(votes_for(photos, view, names))
    for view in (v for v in guess.views if v.is_occlusal):
        votes.update(votes_for(photos, view, photos.numbers(view, guess.views[view].tooth)))
    often = {fdi for fdi, count in votes.items() if count >= _CONFIRMED}
    if set(votes) - often - guess.layout.teeth:
        numbers = _numbers(photos, reader, guess, (guess.layout.teeth | often) - forbidden)
    out = {view: numbered.tooth for view, numbered in guess.views.items()}
    read = {v: photos.teeth(v, without_lone(photos, guess, names)) for v, names in numbers.items()}
    return out | {v: photos.imposed(v, tooth) for v, tooth in read.items()}


def votes_for(photos: PhotoSet, view: View, names: Mapping[int, int]) -> dict[int, int]:
    """For each named tooth, 2 where the view shows enough of it before a named neighbour, else 1.

    A tooth behind a gap with nothing named behind it may be the next one.
    """
    found, named = photos.found[view], set(names.values())
    area = dict(zip(map(int, found.ids), found.area / np.median(found.area), strict=True))
    out = {}
    for identity, fdi in names.items():
        distal, mesial = fdi + 1 in named, fdi - 1 in named
        out[fdi] = 2 if distal and area[identity] > (_AMPLE if mesial else _LARGE) else 1
    return out


def without_lone(photos: PhotoSet, guess: Guess, names: Mapping[int, int]) -> dict[int, int]:
    """Numbers of a bite view without a lone tooth behind an open gap: it may be the missed one."""
    layout = guess.layout
    gaps = layout.missing - layout.closed - photos.absent - set(names.values())
    behind = [{n for n in names.values() if n // 10 == g // 10 and n > g} for g in gaps]
    lone = {n for teeth in behind if len(teeth) == 1 for n in teeth}
    return {identity: fdi for identity, fdi in names.items() if fdi not in lone}


def _numbers(
    photos: PhotoSet, reader: Reader, guess: Guess, drawn: frozenset[int]
) -> dict[View, dict[int, int]]:
    """Numbers of the bite views' instances, read off some drawn teeth."""
    out = {}
    for view in BITE_VIEWS:
        camera = guess.views[view].camera
        out[view] = reader.numbers(reader.overlaps(view, photos.labels[view], camera, drawn))
    return out
